"""The accuracy of arms: one by one, against their ranges, and against the variety of images."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from explorer.report import numerals
from explorer.report.figures.description import (
    BLACK,
    COLORS,
    MARKERS,
    Figure,
    Interval,
    Panel,
    Role,
    Row,
    Series,
    percent_limits,
)
from explorer.report.statistics import Estimate, estimate
from explorer.report.summary import Arm, StudyReport, measure_title

SHOWN_SAMPLES = 10
"""Sampled arms with a row of their own, the best first; the worst has one as well."""

MANY = 12
"""Of more arms the intervals lie over one another; only those of the marked ones are drawn."""

_Point = tuple[str, float, float, Interval | None, Interval | None, str]
"""An arm's name, its place, its bars across and upwards, and what is shown when pointed at."""

_ROLES: tuple[Role, ...] = ("other", "baseline", "worst", "best")
_FEWEST = 3  # arms whose mean has an interval that says something
_PLACES = 60  # values of a parameter at which the arms around it are averaged
_RHO = "\N{GREEK SMALL LETTER RHO}"


def extremes(report: StudyReport) -> list[Arm]:
    """Return the best arm, and the worst pre-trained one where that is another one.

    None where nothing is trained.
    """
    best, worst = report.ranked[:1], report.pretrained[-1:]
    return best if worst == best else [*best, *worst]


def titles(report: StudyReport) -> dict[str, list[Role]]:
    """Return what the best, the worst and the baseline arm are; one may be two of them."""
    kinds: tuple[Role, ...] = ("best", "worst")
    pairs = zip(extremes(report), kinds, strict=False)
    known: dict[str, list[Role]] = {arm.name: [kind] for arm, kind in pairs}
    if report.baseline is not None:
        known.setdefault(report.baseline, []).append("baseline")
    return known


def roles(report: StudyReport) -> dict[str, Role]:
    """Return what arms are marked as; a baseline that is best or worst is marked as that."""
    return {arm: known[0] for arm, known in titles(report).items()}


def accuracy(report: StudyReport) -> Figure:
    """Describe the accuracy of every arm: its replicates, their mean and its interval.

    All named arms have a row, and of the sampled ones the best and the worst.
    """
    sampled = [arm.name for arm in report.ranked if arm.sampled]
    hidden = set(sampled[SHOWN_SAMPLES:]) - {arm.name for arm in extremes(report)}
    arms = [arm for arm in report.arms if arm.accuracy and arm.name not in hidden]
    means = [_mean(arm) for arm in arms]
    marks = roles(report)
    series: list[Series] = []
    for row, (arm, average) in enumerate(zip(arms, means, strict=True)):
        marked = marks.get(arm.name, "other")
        if average.n > 1:
            values = tuple(100 * replicate.accuracy for replicate in arm.replicates)
            heights = (row + 0.22,) * average.n
            hover = tuple(f"{arm.name}, replicate {r.replicate}" for r in arm.replicates)
            series.append(
                Series(values, heights, COLORS[marked], "ring", hover=hover, strong=False)
            )
        series.append(
            Series(
                (average.value,),
                (row,),
                COLORS[marked],
                MARKERS[marked],
                x_ends=(average.ends,) if average.n > 1 else (),
                hover=(_hover(arm),),
            )
        )
    by_name = dict(zip((arm.name for arm in arms), means, strict=True))
    base = by_name.get(report.baseline or "")
    ends = [x for each in series for x in (*each.x, *(end for pair in each.x_ends for end in pair))]
    panel = Panel(
        axis_title(report),
        "",
        tuple(series),
        rows=tuple(Row(arm.name, numerals.ranges(arm.ranges)) for arm in arms),
        x_limits=percent_limits(ends),
        reference=(base.value, *base.ends) if base else None,
    )
    read = "Accuracy per arm: replicates (circles), their mean and its 95 % interval (Student's)."
    line = f" Dashed line and band: the baseline {report.baseline}." if base else ""
    left_out = (
        f"The best {SHOWN_SAMPLES} sampled arms and the worst; {len(hidden)} more are left out."
        if hidden
        else ""
    )
    notes = ("Whether two arms differ is tested in the table.", left_out, _single(means))
    return Figure("accuracy", "Accuracy per arm", read + line, _joined(notes), (panel,))


def ranges(report: StudyReport) -> Figure | None:
    """Describe accuracy against every range that differs between arms.

    Where there are many arms, a curve shows the mean over the arms whose range holds a value.

    Returns:
        ``None`` where all arms have the same ranges.
    """
    panels = []
    for parameter in report.varied:
        arms = [arm for arm in report.arms if arm.accuracy and parameter in arm.ranges]
        arms = [arm for arm in arms if arm.name not in report.controls]
        if len({arm.ranges[parameter] for arm in arms}) > 1:
            panels.append(_range_panel(report, parameter, arms))
    if not panels:
        return None
    read = (
        "Mean accuracy per arm against the range of each parameter: a bar across reaches from the "
        "low to the high end, a bar upwards is the 95 % interval over replicates (Student's)."
    )
    few = all(series.strong for panel in panels for series in panel.series)
    curve = "" if few else " Curve and band: mean of the arms whose range holds a value, and its "
    read += curve and f"{curve}95 % interval over these arms."
    notes = (
        "" if few else "Intervals over replicates are drawn for the marked arms only.",
        "" if few else "The arms behind the curve differ in their other ranges as well.",
        _single([_mean(arm) for arm in report.ranked]),
    )
    limits = [end for panel in panels for end in panel.y_limits or ()]
    shared = (min(limits), max(limits))
    return Figure(
        "ranges",
        "Accuracy against each range",
        read,
        _joined(notes),
        tuple(Panel(p.x, p.y, p.series, y_limits=shared) for p in panels),
        columns=min(len(panels), 3),
        same_y=True,
    )


def _range_panel(report: StudyReport, parameter: str, arms: Sequence[Arm]) -> Panel:
    few = len(arms) <= MANY
    points, marks = [], roles(report)
    for arm in arms:
        average, ends = _mean(arm), arm.ranges[parameter]
        shown = few or arm.name in marks
        interval = average.ends if shown else None
        points.append((arm.name, sum(ends) / 2, average.value, ends, interval, _hover(arm)))
    series = _by_role(report, points, strong=few)
    heights = [y for s in series for y in (*s.y, *(end for ends in s.y_ends for end in ends))]
    if not few:
        lows, highs = np.array([arm.ranges[parameter] for arm in arms]).T
        accuracies = np.array([_mean(arm).value for arm in arms])
        curve: dict[float, Estimate] = {}
        for value in np.linspace(lows.min(), highs.max(), _PLACES).tolist():
            inside = accuracies[(lows <= value) & (value <= highs)]
            if len(inside) >= _FEWEST:
                curve[value] = estimate(inside.tolist())
        series.append(
            Series(
                tuple(curve),
                tuple(average.value for average in curve.values()),
                BLACK,
                dash="solid",
                y_ends=tuple(average.ends for average in curve.values()),
                band=True,
                hover=tuple(f"mean of {average.n} arms" for average in curve.values()),
            )
        )
    return Panel(parameter, axis_title(report), tuple(series), y_limits=percent_limits(heights))


def variety(report: StudyReport, correlations: Mapping[str, Estimate]) -> Figure | None:
    """Describe accuracy against each variety measure, the strongest rank correlation first.

    Args:
        report: What the study has found.
        correlations: Spearman's coefficient per measure, over the means of arms.

    Returns:
        ``None`` where there is no measure.
    """
    panels = []
    for measure, rho in sorted(
        correlations.items(), key=lambda item: -abs(np.nan_to_num(item[1].value))
    ):
        points: list[_Point] = [
            (arm.name, replicate.variety[measure], 100 * replicate.accuracy, None, None, arm.name)
            for arm in report.arms
            for replicate in arm.replicates
            if measure in replicate.variety
        ]
        series = _by_role(report, points, strong=False)
        text = numerals.MISSING
        if not np.isnan(rho.value):
            text = numerals.with_interval(_signed, rho.value, rho.low, rho.high)
        heading = f"{_RHO} = {text}"
        panels.append(Panel(measure_title(measure), axis_title(report), tuple(series), heading))
    if not panels:
        return None
    read = (
        "Accuracy per replicate against each variety measure of its images, with Spearman's "
        f"{_RHO} of the means of arms and its 95 % interval (bootstrap over arms)."
    )
    few = all(rho.low is None for rho in correlations.values())
    note = "Fewer than four arms are too few for an interval." if few else ""
    note = note or "Each interval is for one measure alone; the strongest correlation comes first."
    columns = min(len(panels), 3 if len(panels) < 10 else 4)
    title = "Accuracy against variety"
    return Figure("variety", title, read, note, tuple(panels), columns, 1.5, same_y=True)


def axis_title(report: StudyReport) -> str:
    """Return the title of an axis of accuracy: ``accuracy on digits [%]``."""
    return f"accuracy on {', '.join(report.tasks)} [%]" if report.tasks else "accuracy [%]"


def _by_role(report: StudyReport, points: Sequence[_Point], *, strong: bool) -> list[Series]:
    """Return points as a series per role; ``strong``: also those of no role are to look at."""
    series, marks = [], roles(report)
    for marked in _ROLES:
        group = [point for point in points if marks.get(point[0], "other") == marked]
        if group:
            arms, x, y, x_ends, y_ends, hover = zip(*group, strict=True)
            series.append(
                Series(
                    x,
                    y,
                    COLORS[marked],
                    MARKERS[marked],
                    x_ends=x_ends if x_ends[0] else (),
                    y_ends=y_ends if y_ends[0] else (),
                    label="other arms" if marked == "other" else f"{marked}: {arms[0]}",
                    hover=hover,
                    strong=strong or marked != "other",
                )
            )
    return series


def _mean(arm: Arm) -> Estimate:
    return estimate([100 * replicate.accuracy for replicate in arm.replicates])


def _hover(arm: Arm) -> str:
    average = _mean(arm)
    write = partial(numerals.fixed, places=1)
    mean = numerals.with_interval(write, average.value, average.low, average.high)
    value = f"{mean} %, n = {average.n}"
    return "\n".join(filter(None, (arm.name, numerals.ranges(arm.ranges), value)))


def _single(means: Sequence[Estimate]) -> str:
    """Say how many means rest on one replicate alone; empty where none does."""
    alone = sum(average.n == 1 for average in means)
    if alone and alone == len(means):
        return "Every arm has one replicate, so there are no intervals."
    return f"{alone} of {len(means)} arms have one replicate and no interval." if alone else ""


def _signed(value: float) -> str:
    return numerals.signed(value, 2)


def _joined(sentences: Sequence[str]) -> str:
    return " ".join(filter(None, sentences))
