"""Figures of a long study: a part of its arms, so that a browser can draw them."""

from dataclasses import replace

import numpy as np

from explorer.report.figures import Material
from explorer.report.numerals import count

MOST_ARMS = 1000
"""Arms that are drawn; of more all named ones, the best, the worst and a seeded draw."""

_SEED = 0


def thinned(material: Material) -> tuple[Material, str]:
    """Leave out so many of the sampled arms that at most :data:`MOST_ARMS` are drawn.

    Returns:
        What is drawn, and what to say of that; empty where nothing was left out.
    """
    report = material.report
    if len(report.arms) <= MOST_ARMS:
        return material, ""
    ranked = report.ranked
    kept = {arm.name for arm in report.arms if not arm.sampled}
    kept |= {ranked[0].name, ranked[-1].name}
    others = sorted({arm.name for arm in report.arms} - kept)
    room = max(0, MOST_ARMS - len(kept))
    kept |= set(np.random.default_rng(_SEED).choice(others, room, replace=False).tolist())
    trials, rungs, epochs = (
        table[table["arm"].isin(kept)]
        for table in (material.trials, material.rungs, material.epochs)
    )
    drawn = replace(
        material,
        report=replace(report, arms=tuple(arm for arm in report.arms if arm.name in kept)),
        trials=trials,
        rungs=rungs,
        epochs=epochs,
        counted=material.counted & set(trials["number"].tolist()),
    )
    said = (
        f"The figures show {len(drawn.report.arms)} of {count(len(report.arms), 'arm')}: the named "
        "ones, the best, the worst and a random draw of the others; what they say of all arms they "
        "say of these."
    )
    return drawn, said
