"""Learning curves, and what the shorter protocols and rungs of a study are worth."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from explorer.report.decisions import Judgement, score_title
from explorer.report.figures.arms import roles
from explorer.report.figures.description import (
    COLORS,
    CYCLE,
    DASHES,
    PALE,
    Figure,
    Marker,
    Panel,
    Role,
    Series,
    percent_limits,
)
from explorer.report.statistics import Estimate, estimate
from explorer.report.summary import StudyReport
from explorer.report.tables import safe_label

_FEW = len(CYCLE)
"""Of so many arms each has a colour; of more, only those that are marked."""

_ENDINGS: tuple[Marker, ...] = ("diamond", "square", "triangle")
"""Marks of the scores at the end of a trial."""


def learning(report: StudyReport, rungs: pd.DataFrame, epochs: pd.DataFrame) -> Figure | None:
    """Describe the learning curves of arms: loss and probe of pre-training, loss of fine-tuning.

    The latest attempt per arm and replicate counts, also of a replicate that was stopped.

    Args:
        report: What the study has found.
        rungs: A row per rung, as :func:`explorer.report.load_rungs` returns them.
        epochs: A row per epoch, as :func:`explorer.report.load_epochs` returns them.

    Returns:
        ``None`` where no arm has two measurements of a kind.
    """
    known = set(rungs["arm"]) | set(epochs["arm"])
    arms = [arm.name for arm in report.arms if arm.name in known]
    panels = _panels(_latest(rungs), _latest(epochs), arms, roles(report))
    read = "Mean per arm over its replicates against images seen; bands are 95 % intervals."
    if len(arms) > _FEW:
        read += " In colour: the best, the worst and the baseline arm."
    note = "Intervals are Student's, over replicates."
    return _figure(panels, read, note)


def learning_of(arm: str, rungs: pd.DataFrame, epochs: pd.DataFrame) -> Figure | None:
    """Describe the learning curves of the replicates of one arm, as :func:`learning` does."""
    rungs, epochs = (
        rows.assign(arm="replicate " + rows["replicate"].astype(str)) for rows in (rungs, epochs)
    )
    names = sorted(set(rungs["arm"]) | set(epochs["arm"]), key=lambda name: (len(name), name))
    panels = _panels(rungs, epochs, names, {})
    return _figure(panels, f"Replicates of {arm} against images seen.", "")


def _figure(panels: Sequence[Panel], read: str, note: str) -> Figure | None:
    if not panels:
        return None
    return Figure("learning", "Learning curves", read, note, tuple(panels), len(panels), 2.1)


def _latest(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of the latest attempt per arm and replicate."""
    attempts = rows.groupby(["arm", "replicate"])["attempt"].transform("max")
    return rows[rows["attempt"] == attempts]


def _panels(
    rungs: pd.DataFrame,
    epochs: pd.DataFrame,
    names: Sequence[str],
    marks: Mapping[str, Role],
) -> list[Panel]:
    phase = epochs["phase"].astype("string")
    pretraining, finetuning = (
        epochs[phase.str.startswith(name).fillna(value=False)] for name in ("pretrain", "finetune")
    )
    losses = rungs.dropna(subset="loss")
    # A rung's loss is the mean since the rung before, an epoch's over the epoch: the finer curve.
    finer = pretraining if len(pretraining) > len(losses) else losses
    probes = rungs.assign(percent=100 * rungs["accuracy"])
    seen = "pre-training images"
    panels = []
    for x, y, rows, value in (
        (seen, "pre-training loss [nats]", finer, "loss"),
        (seen, "probe accuracy [%]", probes, "percent"),
        ("fine-tuning images", "fine-tuning loss [nats]", finetuning, "loss"),
    ):
        series = _curves(rows, value, names, marks)
        if any(len(set(curve.x)) > 1 for curve in series):
            limits = None
            if value == "percent":
                ends = [end for curve in series for pair in curve.y_ends for end in pair]
                heights = [y for curve in series for y in curve.y if not math.isnan(y)]
                limits = percent_limits([*ends, *heights])
            panels.append(Panel(x, y, series, y_limits=limits))
    return panels


def _curves(
    rows: pd.DataFrame, value: str, names: Sequence[str], marks: Mapping[str, Role]
) -> tuple[Series, ...]:
    curves, pale = [], []
    place = {name: i for i, name in enumerate(names)}
    known = rows[rows["arm"].isin(names)].dropna(subset=value)
    # Several fine-tunings of the same weights are repeats, not replicates.
    per_replicate = known.groupby(["arm", "images_seen", "replicate"])[value].mean()
    for key, values in per_replicate.groupby(level="arm"):
        arm = str(key)
        images = values.groupby(level="images_seen").agg(list)
        seen = [float(at) for at in images.index]
        marked = marks.get(arm, "other")
        if len(names) > _FEW and marked == "other":
            heights = [sum(group) / len(group) for group in images]
            pale += [*zip(seen, heights, [arm] * len(seen), strict=True), (seen[-1], math.nan, "")]
            continue
        means = [estimate(group) for group in images]
        color, dash = COLORS[marked], DASHES[0]
        if len(names) <= _FEW:
            color, dash = CYCLE[place[arm]], DASHES[place[arm]]
        spread = any(average.n > 1 for average in means)
        curves.append(
            Series(
                tuple(seen),
                tuple(average.value for average in means),
                color,
                "circle" if len(means) < 10 else "",
                dash,
                y_ends=tuple(average.ends for average in means) if spread else (),
                band=spread,
                label=arm,
                hover=tuple(f"{arm}, n = {average.n}" for average in means),
            )
        )
    curves.sort(key=lambda curve: -place[curve.label])  # the first one lies above
    if not pale:
        return tuple(curves)
    # One line with gaps: a browser is slow with a thousand lines.
    x, y, hover = zip(*pale, strict=True)
    return (Series(x, y, PALE, dash="solid", hover=hover, strong=False), *curves)


def decisions(judgement: Judgement) -> Figure:
    """Describe the decision accuracy of every score of a study against the time that it takes."""
    known: dict[str, list[tuple[float, Estimate]]] = {}
    for row in judgement.rows:
        if row.seconds and (share := row.shares.get("clear")):
            known.setdefault(f"{row.protocol}: {score_title(row)}", []).append((row.seconds, share))
    series = []
    looks = zip(CYCLE * len(known), DASHES * len(known), _ENDINGS * len(known), strict=False)
    for (label, points), (color, dash, marker) in zip(known.items(), looks, strict=False):
        seconds, shares = zip(*points, strict=True)
        series.append(
            Series(
                seconds,
                tuple(100 * share.value for share in shares),
                color,
                marker if len(points) == 1 else "circle",
                dash,
                y_ends=tuple((100 * share.ends[0], 100 * share.ends[1]) for share in shares),
                label=label,
                hover=tuple(f"{share.n} pairs" for share in shares),
            )
        )
    panel = Panel("core-seconds per trial", "decision accuracy [%]", tuple(series), log=True)
    noise = "by more than the noise of its test set" if judgement.source else "significantly there"
    read = (
        f"Share of the pairs of arms that a score orders as {judgement.reference} does, of those "
        f"that differ {noise}; bars are 95 % intervals (bootstrap over replicates)."
    )
    name = f"decisions-{safe_label(judgement.reference).lower()}"
    title = f"Decision accuracy by {judgement.reference}"
    return Figure(name, title, read, "50 % is what a guess reaches.", (panel,), height=2.5)
