"""Optuna's own figures of a study, whose trials are its arms."""

import copy
import warnings
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from explorer.report.figures.web import template
from explorer.report.summary import objective_title
from explorer.study import ACCURACY

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure as Sheet

MOST_PAIRED = 3
"""Parameters that are drawn against each other, the most important ones."""

_FEWEST = 4  # arms with a score, of which importances and surfaces can be estimated
_MOST_NAMED = 10  # entries of a legend in print
_ENDS = (
    "<parameter>.low is the low end of its range; <parameter>.share in [0, 1] is how much of the "
    "room above the low end the range takes."
)


@dataclass(frozen=True, slots=True)
class OptunaFigure:
    """One of Optuna's figures, which its ``visualization`` and its ``matplotlib`` draw.

    Attributes:
        study: What it is of.
        note: What else there is to know; may be empty.
        name: Name of its files: ``edf``, of ``plot_edf``.
        title: Its heading on a page.
        caption: How it is read, in at most two sentences.
        arguments: Of that function, beside the study.
        size: Width and height in print, in inches.
        height: Height on a page, in pixels.
        scrolled: Panels side by side that need room on any page; 0 where it has one.
    """

    study: optuna.Study
    note: str
    name: str
    title: str
    caption: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[float, float] = (6.0, 3.6)
    height: int = 380
    scrolled: int = 0

    def on_page(self) -> "go.Figure":
        """Draw it with plotly, without its title."""
        figure = self._call(optuna.visualization)
        margin = {"l": 60, "r": 16, "t": 30, "b": 48}
        figure.update_layout(title=None, template=template(), margin=margin, width=None)
        figure.update_layout(height=self.height, plot_bgcolor=None)
        return figure

    def on_paper(self) -> "Sheet":
        """Draw it with matplotlib, without its title."""
        from matplotlib import pyplot as plt
        from optuna.visualization import matplotlib as functions

        axes = np.ravel(self._call(functions))
        sheet: Sheet = axes[0].figure
        plt.close(sheet)  # it is ours from here on
        sheet.suptitle("")
        for each in axes:
            for place in ("left", "center", "right"):
                each.set_title("", loc=place)
            legend = each.get_legend()
            if legend and len(legend.get_texts()) > _MOST_NAMED:
                legend.remove()
        sheet.set_size_inches(*self.size)
        # "tight" would put a colour bar over several panels; some of Optuna's grids of one panel
        # have rows without a height, which "constrained" cannot place.
        sheet.set_layout_engine("constrained" if len(axes) > 1 else "tight")
        return sheet

    def narrow(self) -> None:
        """Its panels cannot be stacked."""

    def _call(self, module: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return getattr(module, f"plot_{self.name}")(self.study, **self.arguments)


def drawings(
    study: optuna.Study, definition: Mapping[str, Any], shown: Container[str], note: str
) -> list[OptunaFigure]:
    """Return those of Optuna's figures that mean something for a study.

    They show one trial per arm, its latest; accuracy is in percent, and what is shown of a search
    is its first objective.

    Args:
        study: The Optuna study; its trials are arms.
        definition: The definition of the study.
        shown: Names of the arms that are drawn.
        note: What is to be known of them.
    """
    known = study.get_trials(deepcopy=False)
    latest = {trial.user_attrs.get("arm", ""): trial for trial in known}
    trials = [trial for arm, trial in latest.items() if arm in shown]
    if len(trials) < len(known):
        note = f"{note} Numbers of trials count the arms that are drawn.".lstrip()
    trials.sort(key=lambda trial: trial.number)
    scored = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if len(scored) < 2:
        return []
    names = [name for entry in definition["objectives"] for name in entry]
    first = _copy(trials, study.directions[:1], names)
    chosen = partial(OptunaFigure, first, note)
    drawn = _of_search(chosen, first, names[0]) if definition.get("sampler") else []
    if len(study.directions) > 1:
        both = _copy(trials, study.directions, names)
        drawn += _of_objectives(partial(OptunaFigure, both, note), both, names)
    if any(trial.intermediate_values for trial in trials):
        read = "Intermediate values per arm in percent, in the order in which a pruner sees them."
        drawn.append(chosen("intermediate_values", "Intermediate values", read))
    if any(trial.datetime_complete for trial in scored):
        read = "When each arm ran, from its first replicate on, and how it ended."
        drawn.append(chosen("timeline", "Timeline of arms", read))
    return drawn


def _axis(objective: str) -> str:
    return "accuracy [%]" if objective == ACCURACY else objective_title(objective)


def _of_search(
    chosen: "partial[OptunaFigure]", study: optuna.Study, objective: str
) -> list[OptunaFigure]:
    """Return the figures of what a sampler proposed, by the first objective."""
    named: dict[str, Any] = {"target_name": _axis(objective)}
    chosen = partial(chosen, arguments=named)
    word = _axis(objective).removesuffix(" [%]")
    history = f"Mean {word} per arm in the order of the proposals, and the best one so far."
    share = f"Share of the arms whose mean {word} is at most a value."
    drawn = [
        chosen("optimization_history", "History of the search", history),
        chosen("edf", f"Distribution of {word}", share),
    ]
    values = [trial.values[0] for trial in study.trials if trial.values]
    if len(values) < _FEWEST or len(set(values)) == 1:
        return drawn
    names = list(optuna.importance.get_param_importances(study))
    decides = (
        "How much each end decides whether an arm is among the best (PED-ANOVA; Watanabe et al., "
        f"2023). {_ENDS}"
    )
    wide: dict[str, Any] = {"size": (max(6.0, 1.6 * len(names)), 2.8), "scrolled": len(names)}
    lines = f"A line is an arm. {_ENDS}"
    half = 1 + len(names) // 2
    drawn += [
        chosen("param_importances", "Importance of ends", decides),
        chosen("slice", f"{word[0].upper()}{word[1:]} against each end", _ENDS, **wide),
        chosen("parallel_coordinate", "Parallel coordinates", lines, scrolled=half),
    ]
    paired = names[:MOST_PAIRED]
    if len(paired) > 1:
        square: dict[str, Any] = {"size": (6.0, 5.0), "height": 760, "scrolled": len(paired)}
        square["arguments"] = {**named, "params": paired}
        over = f"over the {len(paired)} most important ends against each other"
        contour = f"Mean {word} {over}, interpolated between the arms (dots)."
        rank = f"Arms {over}; the colour is the rank of their {word}."
        drawn += [
            chosen("contour", "Contours", contour, **square),
            chosen("rank", "Ranks", rank, **square),
        ]
    return drawn


def _of_objectives(
    chosen: "partial[OptunaFigure]", study: optuna.Study, names: Sequence[str]
) -> list[OptunaFigure]:
    """Return the figures of a study with two objectives."""
    columns = zip(*(trial.values for trial in study.trials if trial.values), strict=True)
    worst = [
        max(column) if direction == StudyDirection.MINIMIZE else min(column)
        for column, direction in zip(columns, study.directions, strict=True)
    ]
    titles = [_axis(name) for name in names]
    front = "Arms by both objectives; those in shades of red are on the Pareto front."
    volume = (
        "Area that the Pareto front dominates, in the order of the proposals, over the worst value "
        "of each objective."
    )
    title = "Hypervolume of the front"
    return [
        chosen("pareto_front", "Pareto front", front, {"target_names": titles}, height=480),
        chosen("hypervolume_history", title, volume, {"reference_point": worst}),
    ]


def _copy(
    trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection], names: Sequence[str]
) -> optuna.Study:
    """Copy trials into a study in memory, as far as it has objectives, accuracy in percent."""
    storage = optuna.storages.InMemoryStorage()
    copied = optuna.create_study(directions=directions, storage=storage, study_name="arms")
    for trial in trials:
        changed = copy.deepcopy(trial)
        # Optuna writes all attributes of an arm beside its point, as they are.
        changed.user_attrs = {"arm": escape(str(trial.user_attrs.get("arm", "")), quote=False)}
        if trial.values:
            known = zip(names, trial.values[: len(directions)], strict=False)
            changed.values = [100 * v if name == ACCURACY else v for name, v in known]
        probes = {step: 100 * value for step, value in trial.intermediate_values.items()}
        changed.intermediate_values = probes
        copied.add_trial(changed)
    return copied
