"""All attempts at the slots of a study: read from the database, and kept once they have ended."""

from explorer import store as db
from explorer.search.slots import Slot, slot_of


class Ledger:
    """What has become of every slot of a study.

    A trial that has ended stays as it is: :meth:`read` asks for what is newer than the oldest one
    that was open, so that its cost does not grow with the study.

    Args:
        storage: The database.
        study_id: The study's number in it.

    Attributes:
        attempts: The attempts at every slot, by their number in the database, in that order.
        running: The trials that are being worked on, one without an arm as yet among them.
        samples: The arms that a sampler has proposed, with the trial that was the first of each.
    """

    def __init__(self, storage: db.Database, study_id: int) -> None:
        self._storage = storage
        self._study_id = study_id
        self._since = 0
        self.attempts: dict[Slot, dict[int, db.Attempt]] = {}
        self.running: list[db.Attempt] = []
        self.samples: dict[str, int] = {}

    def read(self) -> None:
        """Take in what has changed in the database."""
        found = db.read_attempts(self._storage, self._study_id, since=self._since)
        for one in found:
            if "arm" not in one.said:
                continue  # it died between its creation and its first attributes, or is just there
            self.attempts.setdefault(slot_of(one.said), {})[one.trial_id] = one
            if one.said.get("sampled"):
                self.samples.setdefault(one.said["arm"], one.trial_id)
        self.running = [one for one in found if one.state.name == "RUNNING"]
        unfinished = [one.trial_id for one in found if not one.state.is_finished()]
        if found:
            self._since = min(unfinished, default=found[-1].trial_id + 1)

    def of(self, slot: Slot) -> list[db.Attempt]:
        """Return the attempts at a slot, the first one first."""
        return list(self.attempts.get(slot, {}).values())
