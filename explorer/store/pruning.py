"""Which arms are stopped early: Optuna's pruners, and the steps at which they see an arm.

The replicates of an arm are laid end to end: with T the images of one pre-training, the rung at
share s of replicate r is step r*T + s*T, and its value is the mean of the probe at that rung over
the replicates 0 to r. So halving acts at the rungs of the first replicate, then at the end of the
second, of the fourth, and so on. Under ``wilcoxon`` a step is a replicate, which all arms share by
its seed, and its value is its score. With two objectives Optuna has no intermediate values.
"""

import warnings
from collections.abc import Mapping
from math import nan
from statistics import fmean

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    SuccessiveHalvingPruner,
    WilcoxonPruner,
)
from optuna.trial import FrozenTrial

from explorer.study import Protocol, Study

Probes = Mapping[tuple[int, int], float | None]
"""Accuracy of the probe by replicate and images seen; ``None`` where it is no number."""

ARM_BY_ARM = {"median", "wilcoxon"}
"""These compare with arms that have ended: an arm is done before the next is begun."""


def should_stop(study: Study, opened: optuna.Study, trial: FrozenTrial) -> bool:
    """Say whether the study's pruner stops an arm at what was reported of it last.

    The baseline takes part in the comparison and goes on whatever comes of it. Where a rung is no
    number (the probe of features that are NaN), Optuna's pruners stop the arm.

    Args:
        study: What the study asks for.
        opened: Its Optuna study.
        trial: The arm's trial, with all that was reported of it.
    """
    pruner = make_pruner(study)
    stop = pruner is not None and pruner.prune(opened, trial)
    return stop and trial.user_attrs["arm"] != study.baseline


def make_pruner(study: Study) -> BasePruner | None:
    """Return Optuna's pruner of the name that the study file uses; ``None`` where it has none."""
    options, protocol = study.file.pruner, study.protocol
    factor, images = options.reduction_factor, protocol.pretraining_images
    least = max(1, int(protocol.pretrain.rungs[0] * images))
    match options.name:
        case "median":
            return MedianPruner(n_startup_trials=options.startup, n_min_trials=options.startup)
        case "successive_halving":
            return SuccessiveHalvingPruner(min_resource=least, reduction_factor=factor)
        case "hyperband":
            return HyperbandPruner(
                min_resource=least,
                max_resource=max(least, study.file.replicates * images),
                reduction_factor=factor,
            )
        case "wilcoxon":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return WilcoxonPruner(p_threshold=options.threshold)
        case _:
            return None


def steps(protocol: Protocol, probes: Probes) -> dict[int, float]:
    """Return the intermediate values of an arm by step, from the rungs of all its replicates."""
    values: dict[int, float] = {}
    for replicate, images_seen in sorted(probes):
        so_far = [
            probes[earlier, images_seen]
            for earlier in range(replicate + 1)
            if (earlier, images_seen) in probes
        ]
        mean = fmean(nan if value is None else value for value in so_far)
        values[step(protocol, replicate, images_seen)] = mean
    return values


def step(protocol: Protocol, replicate: int, images_seen: int) -> int:
    """Return the step of a rung: images in whole batches count as the protocol's nearest share."""
    images = protocol.pretraining_images
    nearest = min(protocol.pretrain.rungs, key=lambda share: abs(share * images - images_seen))
    return replicate * images + round(nearest * images)
