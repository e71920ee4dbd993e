"""Which trials are stopped early, and which replicates are not run at all.

What is decided follows from the database alone, so that it survives a restart and is the same for
all drivers. From scratch and the baseline are never stopped: they are what all is compared with.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import accumulate, count
from math import ceil
from statistics import fmean
from zlib import crc32

import optuna
from optuna.pruners import BasePruner, MedianPruner, SuccessiveHalvingPruner
from optuna.trial import FrozenTrial, TrialState

from explorer.search.slots import attempts
from explorer.search.view import View, slots
from explorer.study import SCRATCH, Protocol, Study

UNIT = 1000
"""The step of the first rung as pruners see it; the others are in proportion to their length."""


def should_stop(study: Study, opened: optuna.Study, trial: FrozenTrial) -> bool:
    """Say whether a trial that has reached a rung is stopped there.

    A trial is compared with those of all arms under the study's own protocol: an arm that changes
    it reaches other rungs. Where a rung is no number (the probe of features that are NaN), Optuna's
    pruners stop the trial.

    Args:
        study: What the study asks for.
        opened: Its Optuna study.
        trial: A trial in flight, with all of its rungs so far.
    """
    name, arm = study.file.pruner.name, trial.user_attrs["arm"]
    if name in {"none", "wilcoxon"} or not _comparable(study, arm):
        return False
    pruner, among = _pruner(study, arm)
    resource = _resources(study.protocol)

    def shown(other: str) -> bool:
        return _comparable(study, other) and among(other)

    seen = View(opened, lambda trials: slots(trials, shown=shown, resource=resource))
    itself = [t for t in seen.get_trials() if t._trial_id == trial._trial_id]  # noqa: SLF001
    # The baseline takes part in the comparison and goes on whatever comes of it.
    return any(pruner.prune(seen, t) for t in itself) and arm != study.file.baseline


def hopeless(study: Study, trials: Iterable[FrozenTrial], arm: str) -> str | None:
    """Say why no further replicate of an arm is worth running; ``None`` where one is.

    Under the pruner ``wilcoxon`` the arm's finished replicates are compared with those of the best
    arm, paired by their seed, by a one-sided signed-rank test (Wilcoxon, 1945). It is made
    whenever a replicate is about to begin, so that its p-value is a rule for stopping and no
    result: that is for the report to test.

    Args:
        study: What the study asks for.
        trials: All its trials.
        arm: The arm.
    """
    pruner = study.file.pruner
    if pruner.name != "wilcoxon" or arm in {SCRATCH, study.file.baseline}:
        return None
    scores: dict[str, dict[int, float]] = {}
    for (other, replicate), tried in attempts(trials).items():
        for trial in tried:
            if trial.state == TrialState.COMPLETE:
                scores.setdefault(other, {})[replicate] = trial.values[0]
    own = scores.pop(arm, {})
    rivals = {
        other: theirs
        for other, theirs in scores.items()
        if len(own.keys() & theirs) >= pruner.pairs
    }
    if not rivals:
        return None
    best = max(rivals, key=lambda other: fmean(rivals[other].values()))
    from scipy.stats import wilcoxon

    differences = [own[r] - rivals[best][r] for r in own.keys() & rivals[best]]
    p = float(wilcoxon(differences, alternative="less", zero_method="zsplit").pvalue)
    if p >= pruner.threshold:
        return None
    return f"not run: {len(differences)} replicates are below those of {best} (p = {p:.2g})"


def _comparable(study: Study, arm: str) -> bool:
    return arm != SCRATCH and arm not in study.arm_protocols


def _pruner(study: Study, arm: str) -> tuple[BasePruner, Callable[[str], bool]]:
    """Return the pruner that judges an arm, and the arms that it is judged among."""
    asked, factor = study.file.pruner, study.file.pruner.reduction_factor
    if asked.name == "median":
        enough = asked.startup
        pruner = MedianPruner(n_startup_trials=enough, n_min_trials=enough)
        return pruner, lambda _: True

    def own(one: str) -> int:
        return bracket(study, one) if asked.name == "hyperband" else 0

    halving = SuccessiveHalvingPruner(
        min_resource=UNIT, reduction_factor=factor, min_early_stopping_rate=own(arm)
    )
    return halving, lambda other: own(other) == own(arm)


def bracket(study: Study, arm: str) -> int:
    """Return the bracket of an arm under Hyperband (Li et al., 2018), as large as Optuna's are.

    Optuna deals them to trials by their number. Here all replicates and attempts of an arm are in
    one bracket, whatever becomes of them: it follows from the names of study and arm.
    """
    shares, factor = study.protocol.pretrain.rungs, study.file.pruner.reduction_factor
    top = _resource(shares[-1], shares)
    brackets = next(n for n in count(1) if UNIT * factor**n > top)
    budgets = [ceil(brackets * factor**s / (s + 1)) for s in reversed(range(brackets))]
    place = crc32(f"{study.name}_{arm}".encode()) % sum(budgets)
    return bisect_right(list(accumulate(budgets)), place)


def _resources(protocol: Protocol) -> Callable[[int], int]:
    """Say at which step a rung stands, from the images seen there.

    The images of a rung are whole batches, and a protocol's rungs need be no powers. In proportion
    to the first rung, halving acts at the rungs that the protocol has.
    """
    shares, total = protocol.pretrain.rungs, protocol.pretraining_images

    def resource(images_seen: int) -> int:
        nearest = min(shares, key=lambda share: abs(share * total - images_seen))
        return _resource(nearest, shares)

    return resource


def _resource(share: float, shares: tuple[float, ...]) -> int:
    return round(UNIT * share / shares[0])
