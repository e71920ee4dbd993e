"""What a study asks for and has not got, as trials that are to wait."""

from collections.abc import Iterable, Mapping
from typing import Any

from explorer import store as db
from explorer.search.ledger import Ledger
from explorer.search.slots import Slot, wanted
from explorer.search.space import distributions, to_params
from explorer.study import Range, Study


def fill(
    storage: db.Database,
    study: Study,
    study_id: int,
    ledger: Ledger,
    *,
    arm: str | None = None,
    retry_failed: bool = False,
) -> None:
    """Put every missing slot into the queue, replicate by replicate.

    Args:
        storage: The database.
        study: What the study asks for.
        study_id: Its number in the database.
        ledger: What it has.
        arm: Look at this arm only; at all where ``None``.
        retry_failed: Put the slots that failed for good into the queue once more.
    """

    @db.patient
    def look_and_enqueue() -> None:
        ledger.read()
        arms = [arm] if arm is not None else [*study.arms, *_samples(study, ledger)]
        missing = [
            slot
            # So that a study cut short has compared all of its arms.
            for replicate in range(study.file.replicates)
            for slot in ((one, replicate) for one in arms)
            if wanted(ledger.of(slot), retry_failed=retry_failed)
        ]
        ranges = _ranges(storage, study, ledger, {one for one, _ in missing})
        drafts = [_draft(study, slot, ranges[slot[0]], ledger.of(slot)) for slot in missing]
        db.enqueue(storage, study_id, drafts, distributions(study))

    look_and_enqueue()


def _samples(study: Study, ledger: Ledger) -> Iterable[str]:
    return (arm for arm in ledger.samples if arm not in study.arms)


def _ranges(
    storage: db.Database, study: Study, ledger: Ledger, arms: Iterable[str]
) -> Mapping[str, Mapping[str, Range] | None]:
    """Return the ranges of arms: those of the study file, or those that a sampler proposed."""
    sampled = {arm: ledger.samples[arm] for arm in arms if arm not in study.arms}
    stored = db.read_attrs(storage, list(sampled.values()), "ranges")
    return {**study.arms, **{arm: stored[first] for arm, first in sampled.items()}}


def _draft(
    study: Study, slot: Slot, ranges: Mapping[str, Range] | None, tried: list[db.Attempt]
) -> db.Draft:
    arm, replicate = slot
    space = study.space_of(arm)
    attrs: dict[str, Any] = {
        "arm": arm,
        "replicate": replicate,
        "seed": study.file.seed + replicate,
        "attempt": len(tried) + 1,
        "ranges": ranges,
    }
    drawn = study.draws(arm)
    if ranges is not None and drawn:
        attrs |= {"ranges": space.complete(ranges), "formula": space.formula}
    if arm not in study.arms:
        attrs["sampled"] = True
    if tried:
        attrs["continues"] = tried[-1].number
    # What is no point of the study's own search space has no Optuna parameters.
    outside = ranges is None or arm in study.arm_spaces or not drawn
    return db.Draft(attrs, {} if outside else to_params(study, ranges or {}))
