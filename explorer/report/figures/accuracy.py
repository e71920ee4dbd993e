"""The accuracy of every arm: its replicates, their mean and its interval."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explorer.report import numerals
from explorer.report.figures import style
from explorer.report.figures.interval import Mean, limits, mean, single
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material, Role, extremes, role
from explorer.report.layout import SHOWN_SAMPLES

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

_LINE = 0.1  # inches
_LETTERS = 34  # in a line of ranges, about
_ROW = 34  # pixels


@dataclass(frozen=True, slots=True)
class Row:
    """An arm: its name, ranges and role, the accuracy of its replicates in percent, their mean."""

    arm: str
    ranges: str
    role: Role
    values: tuple[float, ...]
    mean: Mean


@dataclass(frozen=True, slots=True)
class Accuracies:
    """The arms from above to below, the sampled ones that are left out, and what was measured."""

    rows: tuple[Row, ...]
    hidden: int
    baseline: str | None
    measured: str

    @property
    def reference(self) -> Row | None:
        """The row of the baseline."""
        return next((row for row in self.rows if row.arm == self.baseline), None)

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the axis."""
        return limits([row.mean for row in self.rows], [v for row in self.rows for v in row.values])


def prepare(material: Material) -> Accuracies:
    """Take all named arms, the best of the sampled ones and the worst."""
    report = material.report
    scored = [arm for arm in report.arms if arm.accuracy]
    sampled = [arm.name for arm in scored if arm.sampled]
    left_out = set(sampled[SHOWN_SAMPLES:]) - {arm.name for arm in extremes(report) if arm}
    rows = []
    for arm in scored:
        if arm.name not in left_out:
            values = tuple(100 * one.accuracy for one in arm.replicates)
            ranges = numerals.ranges(arm.ranges)
            rows.append(Row(arm.name, ranges, role(report, arm.name), values, mean(values)))
    return Accuracies(tuple(rows), len(left_out), report.baseline, axis_title(report.tasks))


def axis_title(tasks: tuple[str, ...]) -> str:
    """Return what an axis of accuracy says: ``top-1 accuracy on digits [%]``."""
    return f"top-1 accuracy on {', '.join(tasks)} [%]" if tasks else "top-1 accuracy [%]"


def caption(data: Accuracies) -> str:
    """Say how it is read."""
    read = (
        "Accuracy of every arm: replicates (open circles), their mean and its 95 % interval "
        "(Student's, over replicates); whether two arms differ is for the test in the table to say."
    )
    said = [read]
    if data.reference:
        said.append(f"Dashed line and band: mean and interval of the baseline {data.baseline}.")
    if data.hidden:
        said.append(
            f"The best {SHOWN_SAMPLES} sampled arms and the worst; {data.hidden} more are left out."
        )
    said.append(single([row.mean.n for row in data.rows]))
    return " ".join(filter(None, said))


def on_paper(data: Accuracies) -> "Figure":
    """Draw it with matplotlib, a row an arm."""
    lines = [_wrapped(row.ranges) for row in data.rows]
    most = max(map(len, lines))
    figure = style.sheet(0.6 + (0.2 + _LINE * most) * len(data.rows))
    axes = figure.add_subplot()
    if data.reference:
        base = data.reference.mean
        axes.axvspan(base.low, base.high, color=style.GREY, alpha=0.14, lw=0)
        axes.axvline(base.value, color=style.GREY, lw=0.6, ls=(0, (4, 3)))
    for y, row in enumerate(data.rows):
        color = style.COLORS[row.role]
        shown = row.values if row.mean.n > 1 else ()
        axes.plot(shown, [y + 0.2] * len(shown), "o", ms=3, mew=0.6, mfc="none", color=color)
        axes.plot([row.mean.low, row.mean.high], [y, y], color=color, lw=1.4)
        axes.plot([row.mean.value], [y], style.MARKERS[row.role], ms=4.5, color=color)
        text: dict[str, Any] = {"ha": "right", "transform": axes.get_yaxis_transform()}
        axes.text(
            -0.03, y - 0.05 * bool(lines[y]), row.arm, va="bottom" if lines[y] else "center", **text
        )
        axes.text(-0.03, y, "\n".join(lines[y]), va="top", fontsize=6, color=style.DIM, **text)
    axes.set_yticks(range(len(data.rows)), [""] * len(data.rows))
    axes.set_ylim(len(data.rows) - 0.5, -0.5)
    axes.set_xlim(data.limits)
    axes.set_xlabel(data.measured)
    axes.grid(axis="x")
    return figure


def on_page(data: Accuracies) -> "go.Figure":
    """Draw it with plotly, a row an arm."""
    figure = style.page(90 + _ROW * len(data.rows), showlegend=False)
    if data.reference:
        base = data.reference.mean
        figure.add_vrect(base.low, base.high, fillcolor=style.GREY, opacity=0.14, line_width=0)
        figure.add_vline(base.value, line={"color": style.GREY, "dash": "dash", "width": 1})
    for y, row in enumerate(data.rows):
        color = style.COLORS[row.role]
        figure.add_scatter(
            x=row.values if row.mean.n > 1 else (),
            y=[y + 0.24] * len(row.values),
            mode="markers",
            marker={"symbol": "circle-open", "size": 7, "color": color},
            name=row.arm,
            hovertemplate="%{x:.1f} %<extra>a replicate of " + row.arm + "</extra>",
        )
        half = row.mean.high - row.mean.value
        figure.add_scatter(
            x=[row.mean.value],
            y=[y],
            error_x={"array": [half], "color": color, "width": 0} if half else None,
            mode="markers",
            marker={"symbol": style.SYMBOLS[row.role], "size": 10, "color": color},
            name=row.arm,
            hovertemplate=_hover(row),
        )
    figure.update_xaxes(title=data.measured, range=data.limits)
    figure.update_yaxes(
        range=[len(data.rows) - 0.5, -0.5],
        tickvals=list(range(len(data.rows))),
        ticktext=[row.arm for row in data.rows],
        showgrid=False,
    )
    return figure


def _wrapped(ranges: str) -> list[str]:
    """Break ranges into lines, between parameters."""
    lines: list[str] = []
    for one in ranges.split(", ") if ranges else ():
        if lines and len(lines[-1]) + len(one) < _LETTERS:
            lines[-1] += f", {one}"
        else:
            lines.append(one)
    return lines


def _hover(row: Row) -> str:
    said = f"{row.ranges}<br>" if row.ranges else ""
    interval = f" [{row.mean.low:.1f}, {row.mean.high:.1f}]" if row.mean.n > 1 else ""
    return f"{said}%{{x:.1f}} %{interval}, n = {row.mean.n}<extra>{row.arm}</extra>"


KIND = Kind("Accuracy of every arm", prepare, caption, on_paper, on_page)
