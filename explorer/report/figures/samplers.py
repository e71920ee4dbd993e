"""Optuna's own figures of a study, whose trials are its arms."""

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from explorer.report.figures.web import template

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure as Sheet

MOST_ARMS = 1000
"""Arms that are drawn; of more the best, the worst and a seeded draw of the others."""

MOST_PAIRED = 3
"""Parameters that are drawn against each other, the most important ones."""

_FEWEST = 4  # arms with a score, of which importances and surfaces can be estimated
_MOST_NAMED = 10  # entries of a legend in print
_ENDS = (
    "<parameter>.low is the low end of its range; <parameter>.share in [0, 1] is how much of the "
    "room above the low end the range takes."
)


@dataclass(frozen=True, slots=True)
class Plot:
    """One of Optuna's figures.

    Attributes:
        name: Name of its files.
        title: Its heading on a page.
        caption: How it is read, in at most two sentences.
        function: Name of the function, both in ``optuna.visualization`` and in its ``matplotlib``.
        arguments: What it is called with, besides the study.
        size: Width and height in print in inches.
        height: Height on a page in pixels; ``None`` for Optuna's.
    """

    name: str
    title: str
    caption: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[float, float] = (6.0, 3.6)
    height: int | None = None


def plots(
    study: optuna.Study, definition: Mapping[str, Any]
) -> tuple[optuna.Study, list[Plot], str]:
    """Choose the figures that mean something for a study.

    Args:
        study: The Optuna study; its trials are arms.
        definition: The definition of the study.

    Returns:
        What is to be drawn from: a copy in memory with one trial per arm; the figures; and a note
        on what the copy leaves out, which may be empty.
    """
    drawn, note = thinned(study)
    scored = [trial for trial in drawn.trials if trial.state == TrialState.COMPLETE]
    if len(scored) < 2:
        return drawn, [], note
    found = []
    if definition.get("sampler"):
        found = _of_search(drawn, scored, _objectives(definition))
    if any(trial.intermediate_values for trial in drawn.trials):
        caption = "Intermediate values per arm, in the order in which a pruner sees them."
        title = "Intermediate values"
        found.append(Plot("intermediate", title, caption, "plot_intermediate_values"))
    if any(trial.datetime_complete for trial in scored):
        caption = "When each arm ran, from its first replicate on, and how it ended."
        found.append(Plot("timeline", "Timeline of arms", caption, "plot_timeline"))
    return drawn, found, note


def _of_search(
    study: optuna.Study, scored: Sequence[FrozenTrial], objectives: Sequence[str]
) -> list[Plot]:
    """Return the figures of what a sampler proposed."""
    target: dict[str, Any] = {"target": _accuracy, "target_name": "accuracy [%]"}
    # Optuna asks what makes a target low.
    error: dict[str, Any] = {"target": _error, "target_name": "accuracy"}
    history = Plot(
        "history",
        "History of the search",
        "Mean accuracy per arm in the order of the proposals, and the best one so far.",
        "plot_optimization_history",
        # Optuna draws the best value so far only of the study's own objective.
        target if len(objectives) > 1 else {"target_name": "accuracy"},
    )
    edf = Plot(
        "edf",
        "Distribution of accuracy",
        "Share of the arms whose mean accuracy is at most a value.",
        "plot_edf",
        target,
    )
    chosen = [history, edf]
    accuracies = {_accuracy(trial) for trial in scored}
    names = _important(study) if len(scored) >= _FEWEST and len(accuracies) > 1 else []
    if names:
        paired: dict[str, Any] = {**target, "params": names[:MOST_PAIRED]}
        side = 1.7 * len(names[:MOST_PAIRED]) + 0.8
        square: dict[str, Any] = {"size": (max(6.0, side), max(4.0, side)), "height": 760}
        wide = (max(6.0, 1.6 * len(names)), 2.8)
        chosen.append(
            Plot(
                "importance",
                "Importance of the ends of ranges",
                "How much each end decides whether an arm is among the best (PED-ANOVA; Watanabe "
                f"et al., 2023). {_ENDS}",
                "plot_param_importances",
                error,
            )
        )
        chosen.append(
            Plot("slice", "Accuracy against each end", _ENDS, "plot_slice", target, wide, 420)
        )
        caption = f"Accuracy per parallel coordinate: a line is an arm. {_ENDS}"
        title = "Parallel coordinates"
        chosen.append(Plot("parallel", title, caption, "plot_parallel_coordinate", target))
    if len(names) > 1:
        read = f"the {len(names[:MOST_PAIRED])} most important ends against each other"
        contour = f"Accuracy over {read}, interpolated between the arms (dots)."
        rank = f"Arms over {read}; the colour is the rank of their accuracy."
        chosen.append(Plot("contour", "Contours", contour, "plot_contour", paired, **square))
        chosen.append(Plot("rank", "Ranks", rank, "plot_rank", paired, **square))
    if len(objectives) > 1:
        front = "Arms by both objectives; those in red are on the Pareto front."
        axes = {"target_names": list(objectives)}
        volume = (
            "Area that the Pareto front dominates, in the order of the proposals, over the worst "
            "value of each objective."
        )
        worst = {"reference_point": _worst(study, scored)}
        chosen.append(Plot("front", "Pareto front", front, "plot_pareto_front", axes, height=480))
        title = "Hypervolume of the front"
        chosen.append(Plot("hypervolume", title, volume, "plot_hypervolume_history", worst))
    return chosen


def _accuracy(trial: FrozenTrial) -> float:
    """Return the accuracy of an arm in percent; it is always the first objective."""
    return 100 * float(trial.values[0])


def _objectives(definition: Mapping[str, Any]) -> list[str]:
    objectives = definition.get("objectives") or [{"accuracy": "maximize"}]
    return [name for entry in objectives for name in entry]


def _error(trial: FrozenTrial) -> float:
    return -_accuracy(trial)


def _important(study: optuna.Study) -> list[str]:
    """Return the parameters, the most important first."""
    with _quiet():
        importances = optuna.importance.get_param_importances(study, target=_error)
    return list(importances)


def _worst(study: optuna.Study, scored: Sequence[FrozenTrial]) -> list[float]:
    """Return the worst value of each objective, which a hypervolume is measured from."""
    columns = zip(*(trial.values for trial in scored), strict=True)
    return [
        max(column) if direction == optuna.study.StudyDirection.MINIMIZE else min(column)
        for column, direction in zip(columns, study.directions, strict=True)
    ]


def thinned(study: optuna.Study) -> tuple[optuna.Study, str]:
    """Copy a study into memory, one trial per arm and at most :data:`MOST_ARMS`.

    Of an arm that got more replicates later, its latest trial is kept.

    Returns:
        The copy, and a note on what it leaves out; empty where that is nothing.
    """
    trials = study.get_trials(deepcopy=False)
    latest = {trial.user_attrs.get("arm", trial.number): trial for trial in trials}
    kept = list(latest.values())
    if len(kept) > MOST_ARMS:
        ranked = sorted(kept, key=lambda t: -t.values[0] if t.values else np.inf)
        others = np.random.default_rng(0).permutation(len(ranked) - 2)[: MOST_ARMS - 2] + 1
        kept = [ranked[0], *(ranked[i] for i in others), ranked[-1]]
    copied = optuna.create_study(
        study_name=study.study_name,
        directions=study.directions,
        storage=optuna.storages.InMemoryStorage(),
    )
    for trial in sorted(kept, key=lambda t: t.number):
        own = copy.deepcopy(trial)
        # Optuna writes all attributes of an arm beside its point.
        own.user_attrs = {"arm": trial.user_attrs.get("arm", "")}
        copied.add_trial(own)
    if len(kept) == len(trials):
        return copied, ""
    left_out = len(latest) - len(kept)
    note = "The numbers of Optuna's figures count the arms that are drawn."
    more = f"Optuna's figures show {len(kept)} of {len(latest)} arms: the best, the worst and a "
    return copied, f"{more}random draw of the others. {note}" if left_out else note


class _quiet(warnings.catch_warnings):  # noqa: N801 - used as a function
    """Hide Optuna's warnings that a figure is experimental."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", message="PedAnova")  # what is low is what is meant
        return entered


def on_page(study: optuna.Study, plot: Plot) -> "go.Figure":
    """Draw one of Optuna's figures with plotly, without its title."""
    function: Callable[..., go.Figure] = getattr(optuna.visualization, plot.function)
    with _quiet():
        figure = function(study, **plot.arguments)
    margin = {"l": 60, "r": 16, "t": 30, "b": 48}
    figure.update_layout(title=None, template=template(), margin=margin, width=None)
    figure.update_layout(height=plot.height or 380)
    return figure


def on_paper(study: optuna.Study, plot: Plot) -> "Sheet":
    """Draw one of Optuna's figures with matplotlib, without its title."""
    from matplotlib import pyplot as plt
    from optuna.visualization import matplotlib as functions

    with _quiet():
        axes = np.ravel(getattr(functions, plot.function)(study, **plot.arguments))
    sheet: Sheet = axes[0].figure
    plt.close(sheet)  # it is ours from here on
    sheet.suptitle("")
    for each in axes:
        for place in ("left", "center", "right"):
            each.set_title("", loc=place)
        legend = each.get_legend()
        if legend and len(legend.get_texts()) > _MOST_NAMED:
            legend.remove()
    sheet.set_size_inches(*plot.size)
    if plot.function == "plot_parallel_coordinate":  # its grid has a row without a height
        sheet.subplots_adjust(left=0.1, right=0.86, bottom=0.25, top=0.97)
    else:
        sheet.set_layout_engine("constrained")
    return sheet


