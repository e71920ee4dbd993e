"""Which trials are dressed: all of a small study, the ones that are looked at of a large one."""

from collections.abc import Iterable, Sequence

from optuna.trial import FrozenTrial, TrialState

MOST = 200
"""Trials of a study that are dressed at a time, where nobody asks for more.

Notes and the list of artifacts are attributes of the study, since Optuna lets nobody change a trial
that has ended, and whoever asks for one attribute of a study reads them all.
"""

_BEST, _WORST, _BASELINE, _FAILED = 40, 10, 10, 20


def choose(
    trials: Sequence[FrozenTrial], baseline: str | None, most: int = MOST
) -> list[FrozenTrial]:
    """Return the trials to dress, those first that are looked at first.

    Running ones, then the best and the worst by their first value, the last failures and those of
    the baseline; then the others, the latest first. Waiting ones have nothing to show.

    Args:
        trials: Of one study, in the order of their numbers.
        baseline: Name of the baseline arm, if there is one.
        most: How many there may be.
    """
    latest = [trial for trial in reversed(trials) if trial.state != TrialState.WAITING]
    running = [trial for trial in latest if trial.state == TrialState.RUNNING]
    failed = [trial for trial in latest if trial.state == TrialState.FAIL]
    scored = [trial for trial in latest if trial.state == TrialState.COMPLETE]
    ranked = sorted(scored, key=_value, reverse=True)
    base = [trial for trial in scored if trial.user_attrs.get("arm") == baseline]
    first = (running, ranked[:_BEST], ranked[-_WORST:], failed[:_FAILED], base[:_BASELINE], latest)
    return _first(most, (trial for group in first for trial in group))


def _value(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def _first(count: int, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    found: dict[int, FrozenTrial] = {}
    for trial in trials:
        if len(found) == count:
            break
        found.setdefault(trial.number, trial)
    return list(found.values())
