"""What a study is in the database: its definition, and its rows as tidy pandas frames."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from explorer import files, store
from explorer.errors import visible
from explorer.measures import MEASURES
from explorer.store import Database, tables

Range = tuple[float, float]
Row = dict[str, Any]

STATES = ("WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL")
"""The categories of the column ``state``, in the order of an attempt's life."""

PHASES = ("render", "variety", "pretrain", "probe", "finetune", "test", "total")
"""The phases that seconds are measured for, in the order of a trial."""

_BEFORE = ("arm", "formula", "replicate", "attempt", "seed", "state", "rung", "probe", "accuracy")
_TEXTS = ("reason", "cached_from", "remarks", "dataset", "host", "device")
_AFTER = ("finetune_std", "pretrain_loss", *_TEXTS, "trial", "started", "ended")
_INTERNAL = ("failure_kind", "id", "run", "loss")
_DTYPES = {
    "seed": "UInt64",
    **dict.fromkeys(("replicate", "attempt", "epoch", "images_seen", "id"), "int64"),
    **dict.fromkeys(("rung", "trial"), "Int64"),
    **dict.fromkeys(("arm", "formula", "phase", "failure_kind", "run", *_TEXTS), "string"),
}
_TIME = "%Y-%m-%dT%H:%M:%S.%f"
ENDINGS = (".csv", ".json", ".parquet")
"""The endings of files that :func:`export` writes."""


@dataclass(frozen=True, slots=True)
class Definition:
    """The parts of a study's definition that a report needs.

    Attributes:
        name: Name of the study in the database.
        protocol: Name of the protocol.
        cpus: Cores that the protocol gives a trial.
        images: Images of one pre-training, repeats counted; 0 where the protocol does not say.
        tasks: Names of the downstream tasks.
        baseline: The arm that the study names to compare the others with; ``None`` for its
            controls.
        controls: The arms that have learned nothing from the images of a formula, and share all
            else with the study: not pre-trained, or with pre-trained weights shuffled.
        replicates: Seeds per arm.
        planned: The number of (arm, replicate) that the study asks for.
        arms: The named arms in the order of the study file, each with the ranges that it sets;
            ``None`` for the arm that is not pre-trained.
        formula: The image family of the study's own search space.
        formulas: The image families of the arms that have another one.
        arm_changes: What arms change of the protocol: ``dataset.categories`` -> its value.
        vary: The parameters that a sampler moves.
        objectives: What is sought, ``maximize`` or ``minimize`` by name; accuracy is the first,
            unless nothing is trained.
        pruner: What stops trials early; ``none`` where nothing does.
        varied: The parameters that differ between arms, in the order of the search spaces.
        published: What a paper has measured of the arms, as the study file has it; may be empty.
    """

    name: str
    protocol: str
    cpus: float
    images: int
    tasks: tuple[str, ...]
    baseline: str | None
    controls: tuple[str, ...]
    replicates: int
    planned: int
    arms: Mapping[str, Mapping[str, Range] | None]
    formula: str | None
    formulas: Mapping[str, str | None]
    arm_changes: Mapping[str, Mapping[str, Any]]
    vary: tuple[str, ...]
    objectives: Mapping[str, str]
    pruner: str
    varied: tuple[str, ...]
    published: Mapping[str, Any]

    def formula_of(self, arm: str) -> str | None:
        """Return the formula of an arm, or the folder whose images stand in for one.

        ``None`` for an arm that is not pre-trained.
        """
        if self.arms.get(arm, {}) is None:
            return None
        images = self.arm_changes.get(arm, {}).get("dataset.images")
        return Path(images).name if images else self.formulas.get(arm, self.formula)

    def varied_of(self, arm: str) -> tuple[str, ...]:
        """Return the parameters that differ between the arms of an arm's formula."""
        formula = self.formulas.get(arm, self.formula)
        moved = set(self.vary) if formula == self.formula else set()
        for other, ranges in self.arms.items():
            if self.formulas.get(other, self.formula) == formula:
                moved |= set(ranges or ())
        return tuple(p for p in self.varied if p in moved)


def read_definition(database: Database, name: str) -> Definition:
    """Read what a report needs of a study's definition.

    Raises:
        InputError: If there is no study of this name (the nearest is offered), or explorer did not
            make it.
    """
    content = store.definition(database, name)
    protocol = content.get("protocol") or {}
    dataset, pretrain = protocol.get("dataset") or {}, protocol.get("pretrain") or {}
    sizes = (dataset.get("categories"), dataset.get("instances"), pretrain.get("epochs"))
    tasks = protocol.get("downstream") or []
    arms = {
        str(arm): None if ranges is None else {p: (low, high) for p, (low, high) in ranges.items()}
        for arm, ranges in (content.get("arms") or {}).items()
    }
    changes = {
        arm: {
            f"{part}.{key}": value
            for part, kept in parts.items()
            for key, value in (kept if isinstance(kept, Mapping) else {"*": kept}).items()
        }
        for arm, parts in (content.get("arm_changes") or {}).items()
    }
    whole = (protocol.get("finetune") or {}).get("weights")
    arm_spaces = content.get("arm_spaces") or {}
    spaces = [content.get("search_space") or {}, *arm_spaces.values()]
    vary = tuple(content.get("vary") or ())
    moved = dict.fromkeys([*(p for ranges in arms.values() for p in ranges or {}), *vary])
    known = dict.fromkeys(p for space in spaces for p in space.get("parameters") or {})
    replicates = int(content.get("replicates") or 1)
    samples = int((content.get("sampler") or {}).get("samples") or 0)
    return Definition(
        name=name,
        protocol=str(protocol.get("name") or ""),
        cpus=float((protocol.get("resources") or {}).get("cpus") or 1),
        images=math.prod(size or 0 for size in sizes),
        tasks=tuple(
            Path(task["path"]).name if task.get("name") == "imagefolder" else str(task["name"])
            for task in ([tasks] if isinstance(tasks, Mapping) else tasks)
        ),
        baseline=content.get("baseline"),
        controls=tuple(
            arm
            for arm, ranges in arms.items()
            if (ranges is None or changes.get(arm, {}).get("finetune.weights", whole) == "shuffled")
            and not any(_another_network(key) for key in changes.get(arm, {}))
        ),
        replicates=replicates,
        planned=(len(arms) + samples) * replicates,
        arms=arms,
        formula=spaces[0].get("formula"),
        formulas={arm: space.get("formula") for arm, space in arm_spaces.items()},
        arm_changes=changes,
        vary=vary,
        objectives={
            objective: direction
            for entry in content.get("objectives") or [{"accuracy": "maximize"}]
            for objective, direction in entry.items()
        },
        pruner=(content.get("pruner") or {}).get("name", "none"),
        varied=(*(p for p in known if p in moved), *(p for p in moved if p not in known)),
        published=content.get("published") or {},
    )


def _another_network(change: str) -> bool:
    """Say whether an arm with this change is no control of arms without it: of another size."""
    part, _, key = change.partition(".")
    return part == "downstream" or (part == "model" and key != "initialisation")


def load(database: Database, name: str, arm: str | None = None) -> pd.DataFrame:
    """Load a study as a tidy frame, a row per attempt at a replicate of an arm.

    The columns, in this order (``<NA>`` or NaN where an attempt has no such value):

    ====================== ============== =====================================================
    column                 dtype          meaning
    ====================== ============== =====================================================
    ``arm``                string         name of the arm
    ``formula``            string         image family; <NA> without pre-training
    ``replicate``          int64          index of the replicate, from 0
    ``attempt``            int64          1, or more where earlier attempts were lost or failed
    ``seed``               UInt64         seed of the replicate, shared by all arms
    ``state``              category       WAITING, RUNNING, COMPLETE, PRUNED or FAIL
    ``rung``               Int64          pre-training images seen at the last rung
    ``probe``              float64        accuracy of the probe at that rung, in [0, 1]
    ``accuracy``           float64        downstream top-1 accuracy, in [0, 1]
    ``accuracy.<task>``    float64        the same for each downstream task
    ``<parameter>.low``    float64        low end of a parameter's range; NaN without
                                          pre-training and for a formula without that parameter
    ``<parameter>.high``   float64        its high end
    ``variety.<measure>``  float64        variety of the images, see ``explorer.measures``
    ``companions.<name>``  float64        a further score of the same weights
    ``seconds.<phase>``    float64        wall-clock seconds of a phase, and ``seconds.total``
    ``finetune_std``       float64        standard deviation of the accuracy over the fine-tunings
                                          of the same weights; NaN where there is only one
    ``pretrain_loss``      float64        training loss at the end of pre-training, in nats
    ``reason``             string         why an attempt failed or was stopped early
    ``cached_from``        string         ``study/arm#replicate`` that the result was taken from
    ``remarks``            string         what to know of the variety: say, too small a sample
    ``dataset``            string         digest of the images that were pre-trained on
    ``host``, ``device``   string         where it ran
    ``trial``              Int64          number of the arm's Optuna trial; <NA> for a control
    ``started``, ``ended`` datetime64[us] UTC, naive
    ====================== ============== =====================================================

    The columns with a name in angle brackets are those that the study has. Measures come in the
    order of ``explorer.variety.MEASURES``, phases in that of a trial, the rest as it first comes.

    Args:
        database: Where the study is.
        name: Its name.
        arm: One of its arms, where only that is wanted.

    Raises:
        InputError: If there is no study of this name; the nearest name is offered.
    """
    return read_attempts(database, name, arm).drop(columns=list(_INTERNAL))


def read_attempts(database: Database, name: str, arm: str | None = None) -> pd.DataFrame:
    """Return :func:`load`, and after it failure_kind, id, run and the loss at the rung."""
    store.definition(database, name)
    r, g = tables.replicates.c, tables.rungs.c
    last = (
        sa.select(g.replicate_id, sa.func.max(g.images_seen).label("rung"))
        .join(tables.replicates, r.id == g.replicate_id)
        .where(_of(name, arm))
        .group_by(g.replicate_id)
        .subquery()
    )
    query = (
        sa.select(tables.replicates, last.c.rung, g.accuracy.label("probe"), g.loss)
        .outerjoin(last, last.c.replicate_id == r.id)
        .outerjoin(tables.rungs, sa.and_(g.replicate_id == r.id, g.images_seen == last.c.rung))
        .where(_of(name, arm))
        .order_by(r.id)
    )
    rows = _read(database, query)
    parts = zip(rows["ranges"], rows["scores"], rows["seconds"], strict=True)
    flat = [_flat(*values) for values in parts]
    seen = dict.fromkeys(column for row in flat for column in row)
    first = [*(f"variety.{m}" for m in MEASURES), *(f"seconds.{phase}" for phase in PHASES)]
    place = {column: index for index, column in enumerate(dict.fromkeys([*first, *seen]))}
    columns = sorted(seen.keys() - {*_AFTER}, key=lambda c: (_group(c), place[c]))
    data = {
        column: rows[column].tolist() if column in rows else [row.get(column) for row in flat]
        for column in (*_BEFORE, *columns, *_AFTER, *_INTERNAL)
    }
    return pd.DataFrame({column: _typed(column, values) for column, values in data.items()})


def _of(study: str, arm: str | None) -> Any:
    r = tables.replicates.c
    return r.study == study if arm is None else sa.and_(r.study == study, r.arm == arm)


def _read(database: Database, query: Any) -> pd.DataFrame:
    with database.engine.connect() as connection:
        return pd.read_sql(query, connection)


def _group(column: str) -> int:
    """Return the place of the columns of a prefix; those of ranges end in ``.low`` or ``.high``."""
    prefix = column.partition(".")[0]
    return {"accuracy": 0, "variety": 2, "companions": 3, "seconds": 4}.get(prefix, 1)


def _flat(ranges: str | None, text: str | None, seconds: float | None) -> dict[str, Any]:
    """Return the columns that the JSON of one row has."""
    ends = json.loads(ranges) if isinstance(ranges, str) else {}
    scores = json.loads(text) if isinstance(text, str) else {}
    repeats = [values for values in (scores.get("repeats") or {}).values() if len(values) > 1]
    means = [fmean(values) for values in zip(*repeats, strict=False)]  # over tasks, per repeat
    spent = dict(scores.get("seconds") or {})
    if seconds is not None and not pd.isna(seconds):
        spent.setdefault("total", seconds)
    groups = {
        "accuracy": scores.get("accuracies"),
        **{p: dict(zip(("low", "high"), pair, strict=True)) for p, pair in ends.items()},
        "variety": scores.get("variety"),
        "companions": scores.get("companions"),
        "seconds": spent,
    }
    return {
        **{f"{group}.{key}": v for group, of in groups.items() for key, v in (of or {}).items()},
        "finetune_std": float(np.std(means, ddof=1)) if len(means) > 1 else None,
        "pretrain_loss": scores.get("pretrain_loss"),
        "remarks": " ".join(scores.get("remarks") or ()) or None,
        "dataset": scores.get("dataset"),
    }


def load_rungs(database: Database, name: str, arm: str | None = None) -> pd.DataFrame:
    """Load the rungs of a study as a tidy frame, a row per rung that an attempt has reached.

    The rows come by attempt, in it by images. Attempts that were stopped or lost have those that
    they reached. The columns: ``arm`` (string), ``replicate``, ``attempt`` (int64),
    ``images_seen`` (int64, repeats counted), ``accuracy`` (of the probe, in [0, 1]), ``loss`` (mean
    pre-training loss since the rung before, in nats) and ``seconds`` (since the attempt began).

    Raises:
        InputError: If there is no study of this name; the nearest name is offered.
    """
    return _details(database, name, arm, tables.rungs)


def load_epochs(database: Database, name: str, arm: str | None = None) -> pd.DataFrame:
    """Load the epoch curves of a study as a tidy frame, a row per epoch.

    The rows come by attempt, in it pre-training before fine-tuning, in it by epoch. The columns:
    ``arm`` (string), ``replicate``, ``attempt`` (int64), ``phase`` (string: ``pretrain``,
    ``finetune``; ``finetune.2`` and so on are further fine-tunings, of other tasks or again),
    ``epoch`` (int64, from 1), ``images_seen`` (int64, in this phase), ``loss``, ``accuracy`` (of
    the training batches, in [0, 1]; NaN where none was stored) and ``seconds`` (of the epoch).

    Raises:
        InputError: If there is no study of this name; the nearest name is offered.
    """
    frame = _details(database, name, arm, tables.epochs)
    names = [str(phase).partition(".") for phase in frame["phase"]]
    keys = [
        (name != "pretrain", name, int(part) if part.isdigit() else 1) for name, _, part in names
    ]
    order = sorted(range(len(keys)), key=lambda i: (frame["id"][i], *keys[i], frame["epoch"][i]))
    return frame.loc[order].drop(columns="id").reset_index(drop=True)


def _details(database: Database, name: str, arm: str | None, table: sa.Table) -> pd.DataFrame:
    store.definition(database, name)
    r = tables.replicates.c
    columns = [column for column in table.c if column.name != "replicate_id"]
    key = [r.id] if table is tables.epochs else []
    query = (
        sa.select(*key, r.arm, r.replicate, r.attempt, *columns)
        .join(tables.replicates, r.id == table.c.replicate_id)
        .where(_of(name, arm))
        .order_by(r.id, columns[0])
    )
    frame = _read(database, query)
    return pd.DataFrame({str(c): _typed(str(c), frame[c].tolist()) for c in frame.columns})


def counted(attempts: pd.DataFrame) -> pd.DataFrame:
    """Reduce attempts to one per (arm, replicate): the latest with a score, else the latest.

    Args:
        attempts: What :func:`load` returns, or any frame with its columns ``arm``, ``replicate``,
            ``attempt`` and ``state``.

    Returns:
        Those rows, in the order in which the pairs first come.
    """
    pair = ["arm", "replicate"]
    scored = attempts["state"].eq("COMPLETE")
    order = attempts.assign(_scored=scored).sort_values(["_scored", "attempt"], kind="stable")
    kept = order.drop_duplicates(pair, keep="last").index
    first = attempts.drop_duplicates(pair)[pair]
    return first.merge(attempts.loc[kept], on=pair, how="left")[list(attempts.columns)]


def settled(database: Database, name: str, attempts: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`counted` attempts; what was interrupted, or whose run has died, is WAITING."""
    pairs = counted(attempts)
    dead = pairs["run"].isin(store.dead_runs(database, name)) & pairs["state"].eq("RUNNING")
    interrupted = pairs["state"].eq("FAIL") & pairs["failure_kind"].eq("interrupted")
    waits = dead | interrupted.fillna(value=False).astype(bool)
    return pairs.assign(state=pairs["state"].mask(waits, "WAITING"))


def records(frame: pd.DataFrame) -> list[Row]:
    """Return the rows of a frame as dictionaries of plain values, without what is missing."""
    columns = {str(name): frame[name].tolist() for name in frame.columns}
    gone = {name: frame[name].isna().tolist() for name in columns}
    return [
        {name: values[i] for name, values in columns.items() if not gone[name][i]}
        for i in range(len(frame))
    ]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a study is, in (arm, replicate) pairs; attempts at the same pair count once.

    Attributes:
        total: Pairs that the study asks for.
        complete: Pairs with a score.
        pruned: Pairs stopped early.
        failed: Pairs whose last attempt failed.
        running: Pairs in flight.
    """

    total: int
    complete: int
    pruned: int
    failed: int
    running: int

    @property
    def done(self) -> int:
        """Pairs that have come to a result."""
        return self.complete + self.pruned

    @property
    def waiting(self) -> int:
        """Pairs whose turn has not come, or that were interrupted and will be run anew."""
        return self.total - self.done - self.failed - self.running

    @property
    def finished(self) -> bool:
        """Whether nothing is left to run (failures stay failures until they are retried)."""
        return self.waiting == 0 and self.running == 0

    def derived(self) -> dict[str, Any]:
        """Return what follows from the counts, for a JSON."""
        return {"done": self.done, "waiting": self.waiting, "finished": self.finished}

    @classmethod
    def of(cls, states: Iterable[str], planned: int) -> "Progress":
        """Count the states of pairs."""
        counts = Counter(states)
        kinds = (counts[state] for state in ("COMPLETE", "PRUNED", "FAIL", "RUNNING"))
        return cls(max(planned, counts.total()), *kinds)


def _typed(column: str, values: Sequence[Any]) -> "pd.Series[Any]":
    """Return a column with its type, of values as a database, a csv or a json has them."""
    if column == "state":
        return pd.Series(pd.Categorical(values, categories=list(STATES)))
    if column in {"started", "ended"}:
        times = pd.Series(pd.to_datetime(pd.Series(values, dtype="object")))
        return times.astype("datetime64[us]")
    return pd.Series(list(values), dtype=_DTYPES.get(column, "float64"))


def csv_text(frame: pd.DataFrame) -> str:
    """Write a frame as CSV: a line of names, a line per row, nothing for what is missing.

    No text in it does anything: control characters are shown, and an apostrophe stands before what
    a spreadsheet would take for a formula.
    """
    texts = {name: frame[name].map(_inert, na_action="ignore") for name in _texts(frame)}
    inert = frame.assign(**texts).rename(columns=_inert)
    return str(inert.to_csv(index=False, lineterminator="\n", date_format=_TIME))


def _texts(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame.columns if frame[name].dtype == "string"]


def _inert(text: str) -> str:
    shown = visible(text)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def export(frame: pd.DataFrame, path: Path, option: str = "--output") -> None:
    """Write a frame to a file, in the form that the ending of its name says.

    - ``.csv``: a line of names, then a line per row; what is missing is empty, times are ISO 8601;
    - ``.json``: a list of objects, one per row; what is missing, or no finite number, is null;
    - ``.parquet``: as Apache Arrow writes it, with the types of the columns.

    Numbers are written so that the same come back.

    Args:
        frame: What :func:`load`, :func:`load_epochs`, :func:`load_rungs` or
            :func:`explorer.report.to_frame` returns.
        path: The file; one that is there is replaced in one step.
        option: What named the file, for the error line.

    Raises:
        InputError: If the ending is another, or the path cannot be written to.
    """
    ending = files.ending(path, ENDINGS, option)
    if ending == ".parquet":
        files.write(path, bytes(frame.to_parquet(index=False, engine="pyarrow")), option)
    elif ending == ".csv":
        files.write(path, csv_text(frame), option)
    else:
        times = {c: frame[c].dt.strftime(_TIME) for c in ("started", "ended") if c in frame}
        plain = frame.assign(**times).astype(object).where(frame.notna(), None)
        rows = plain.replace([np.inf, -np.inf], None).to_dict("records")
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        files.write(path, "[\n" + ",\n".join(lines) + "\n]\n", option)
