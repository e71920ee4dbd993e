"""From the database to one tidy pandas frame: a row a trial."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import optuna
import pandas as pd
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from explorer import store as db
from explorer.report.definition import Definition, definition, find_study
from explorer.report.statistics import spread
from explorer.variety import MEASURES

STATES = ("WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL")
"""The categories of the column ``state``, in the order of a trial's life."""

PHASES = ("render", "variety", "pretrain", "probe", "finetune", "total")
"""The phases that a trial's seconds are measured for, in the order of a trial."""

_BEFORE = (
    "number",
    "arm",
    "formula",
    "replicate",
    "seed",
    "state",
    "attempt",
    "continues",
    "rung",
    "probe",
)
_SAID = ("failure", "stopped", "cached_from", "remarks", "dataset", "host", "device")
_DTYPES = {
    "number": "int64",
    "seed": "UInt64",
    **dict.fromkeys(("replicate", "attempt", "continues", "rung"), "Int64"),
    **dict.fromkeys(("arm", "formula", *_SAID), "string"),
}
_AFTER = ("finetune_std", "pretrain_loss", *_SAID, "start", "end")


def load(study: optuna.Study | str, storage: BaseStorage | None = None) -> pd.DataFrame:
    """Load a study as a tidy frame, a row a trial in the order of their numbers.

    The columns, in this order (``<NA>`` or NaN where a trial has no such value):

    ====================== ============== =====================================================
    column                 dtype          meaning
    ====================== ============== =====================================================
    ``number``             int64          number of the trial in the study, from 0
    ``arm``                string         arm that the trial belongs to
    ``formula``            string         image family; <NA> from scratch
    ``replicate``          Int64          index of the replicate, from 0
    ``seed``               UInt64         seed of the replicate, shared by all arms
    ``state``              category       WAITING, RUNNING, COMPLETE, PRUNED or FAIL
    ``attempt``            Int64          1, or more where earlier attempts were lost
    ``continues``          Int64          number of the lost trial that this one makes up for
    ``rung``               Int64          pre-training images seen at the last rung
    ``probe``              float64        accuracy of the probe at that rung, in [0, 1]
    ``accuracy``           float64        value of the trial: downstream top-1, in [0, 1]
    ``accuracy.<task>``    float64        the same for each downstream task
    ``<parameter>.low``    float64        low end of a parameter's range; NaN from scratch and
                                          for a formula without that parameter
    ``<parameter>.high``   float64        its high end
    ``variety.<measure>``  float64        variety of the images, see ``explorer.variety``
    ``seconds.<phase>``    float64        wall-clock seconds of a phase, and ``seconds.total``
    ``finetune_std``       float64        standard deviation of the accuracy over the fine-tunings
                                          of the same weights; NaN where there is only one
    ``pretrain_loss``      float64        training loss at the end of pre-training
    ``failure``            string         why a trial failed
    ``stopped``            string         why a trial was pruned
    ``cached_from``        string         trial (``study#number``) that its result was taken from
    ``remarks``            string         what to know of the variety: say, too small a sample
    ``dataset``            string         digest of the images that were pre-trained on
    ``host``, ``device``   string         where the trial ran
    ``start``, ``end``     datetime64[us] local time of the machine that ran it, naive
    ====================== ============== =====================================================

    The columns with a name in angle brackets are those that the study's trials have. Parameters
    come in the order of the search spaces, measures in that of ``explorer.variety.MEASURES``,
    phases in that of a trial, and whatever is unknown to these after them by name.

    Args:
        study: An Optuna study, or its name in ``storage``.
        storage: Where a study given by its name is.

    Raises:
        InputError: If there is no study of this name; the nearest name is offered.
    """
    found = find_study(study, storage)
    trials = found.get_trials(deepcopy=False)
    return _frame(trials, definition(found))


def _frame(trials: Sequence[FrozenTrial], said: Definition) -> pd.DataFrame:
    rows = [_row(trial, said) for trial in trials]
    seen = set().union(*rows) - {*_BEFORE, *_AFTER, "accuracy"}
    columns = [*_BEFORE, "accuracy", *_dynamic(seen, said), *_AFTER]
    data = {column: typed(column, [row.get(column) for row in rows]) for column in columns}
    return pd.DataFrame(data, columns=pd.Index(columns))


def _row(trial: FrozenTrial, said: Definition) -> dict[str, Any]:
    attrs = trial.user_attrs
    asked = ("arm", "replicate", "seed", "attempt", "continues")
    row: dict[str, Any] = {key: attrs.get(key) for key in (*asked, "pretrain_loss", *_SAID)}
    row |= {
        "number": trial.number,
        # A trial of explorer 0.1 does not say it; all arms of a study had one formula then.
        "formula": attrs.get("formula", said.formula_of(attrs.get("arm", ""))),
        "state": trial.state.name,
        "start": trial.datetime_start,
        "end": trial.datetime_complete,
    }
    if rungs := db.rung_values(trial):
        row["rung"], row["probe"] = max(rungs.items())
    if trial.state == TrialState.COMPLETE:
        (row["accuracy"], *_) = trial.values  # noqa: PD011 - a trial, not a frame
    repeats = [found for key, found in attrs.items() if key.startswith("repeats.")]
    if repeats:  # the tasks' mean of every repeat
        row["finetune_std"] = spread([fmean(one) for one in zip(*repeats, strict=True)]).std
    for key, value in attrs.items():
        if key.startswith(("accuracy.", "variety.", "seconds.")):
            row[key] = value
    for parameter, ends in (attrs.get("ranges") or {}).items():
        row[f"{parameter}.low"], row[f"{parameter}.high"] = ends
    row |= {p: v for p, v in trial.params.items() if p.endswith((".low", ".high"))}
    return row


def _parameters(said: Definition) -> Iterable[str]:
    spaces = (said.space, *said.arm_spaces.values())
    return dict.fromkeys(parameter for space in spaces for parameter in space.defaults)


def _dynamic(seen: Iterable[str], said: Definition) -> list[str]:
    """Order the columns that depend on the study."""
    groups: tuple[tuple[Callable[[str], bool], list[str]], ...] = (
        (lambda c: c.startswith("accuracy."), [f"accuracy.{task}" for task in said.tasks]),
        (
            lambda c: c.endswith((".low", ".high")) and not c.startswith("variety."),
            [f"{p}.{end}" for p in _parameters(said) for end in ("low", "high")],
        ),
        (lambda c: c.startswith("variety."), [f"variety.{m}" for m in MEASURES]),
        (lambda c: c.startswith("seconds."), [f"seconds.{p}" for p in PHASES]),
    )
    ordered: list[str] = []
    for belongs, known in groups:
        group = {column for column in seen if belongs(column)}
        first = [column for column in known if column in group]
        # "a.low" before "a.high", as everywhere else.
        rest = sorted(group.difference(first), key=lambda c: c.replace(".high", ".~high"))
        ordered += [*first, *rest]
    return ordered


def of_columns(columns: Mapping[str, Sequence[Any]], kinds: Mapping[str, str]) -> pd.DataFrame:
    """Return a frame of these columns, in their order, of the types that ``kinds`` names."""
    return pd.DataFrame({name: pd.Series(v, dtype=kinds[name]) for name, v in columns.items()})


def typed(column: str, values: list[Any]) -> "pd.Series[Any]":
    """Return a column of the frame of trials with its type, of values or of what a csv says."""
    if column == "state":
        return pd.Series(pd.Categorical(values, categories=list(STATES)))
    if column in {"start", "end"}:
        return pd.to_datetime(pd.Series(values, dtype="object")).astype("datetime64[us]")
    return pd.Series(values, dtype=_DTYPES.get(column, "float64"))
