"""How well short trials order ranges as long ones do: one study under several protocols.

Every rung of every protocol, and its end, is a measurement that a study could stop at. Each is
compared with the end of the longest protocol.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from explorer import store
from explorer.errors import InputError, nearest
from explorer.report import numerals
from explorer.report.agreement import (
    Agreement,
    Estimate,
    agreement_of_one,
    chances_of_pick,
    intraclass,
    kendall,
    rank_agreement,
    spearman,
)
from explorer.report.frame import (
    Definition,
    Progress,
    counted,
    load_rungs,
    read_attempts,
    read_definition,
)
from explorer.report.numerals import MISSING, count
from explorer.report.tables import Column, Table
from explorer.store import Database

SEPARATOR = "@"
"""Between the name of a study and the protocol that it ran under."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What one measurement is worth.

    Attributes:
        protocol: Name of the protocol.
        measurement: ``probe`` or ``loss`` (of pre-training, low before high) at a rung,
            ``accuracy`` at the end of a trial.
        images: Pre-training images seen by then; ``None`` where trials do not say.
        seconds: Mean wall-clock seconds of a pre-trained trial up to there.
        arms: Arms that have a value.
        trials: Trials that it was measured in.
        intraclass: Share of its variance that is between arms.
        kendall: Agreement in order with the reference by Kendall's tau; ``None`` for the reference
            itself.
        spearman: The same by Spearman's coefficient.
        single: Kendall's tau with the reference that one trial per arm has in the mean. A trial of
            the reference's own protocol is compared with the means of the others there.
        loss: Accuracy that the arm which one trial per arm shows as the best lacks in the
            reference, in the mean.
    """

    protocol: str
    measurement: str
    images: int | None
    seconds: float | None
    arms: int
    trials: int
    intraclass: Estimate | None
    kendall: Agreement | None
    spearman: Agreement | None
    single: float | None
    loss: float | None


@dataclass(frozen=True, slots=True)
class FidelityReport:
    """What every measurement of a study under several protocols is worth.

    Attributes:
        study: Name of the study.
        reference: The longest protocol, whose end all are compared with.
        reference_study: Name of the study under it.
        arms: Mean accuracy of every arm at that end, best first.
        rows: The measurements, protocol by protocol from the shortest, in the order of a trial.
        missing: Trials that are planned and not complete, over all protocols.
    """

    study: str
    reference: str
    reference_study: str
    arms: Mapping[str, float]
    rows: tuple[Fidelity, ...]
    missing: int


@dataclass(frozen=True, slots=True)
class _Measured:
    protocol: str
    measurement: str
    images: int | None
    seconds: float | None
    samples: Mapping[str, list[float]]


def members(name: str, database: Database) -> list[str]:
    """Return the names under which a study is in a database: its own and ``name@protocol``."""
    names = store.study_names(database)
    return sorted(n for n in names if n == name or n.startswith(f"{name}{SEPARATOR}"))


def fidelity(database: Database, name: str) -> FidelityReport:
    """Compare the protocols that a study has run under.

    Arms without pre-training have no rungs and no ranges; they are left out. A trial that was
    stopped early counts at the rungs that it reached.

    Args:
        database: Where it is.
        name: Name of the study, without a protocol.

    Raises:
        InputError: If the study has not run under two protocols with at least three common arms.
    """
    definitions = [read_definition(database, member) for member in members(name, database)]
    if not definitions:
        known = {n.partition(SEPARATOR)[0] for n in store.study_names(database)}
        raise InputError("study", None, name, f"not in this database; {nearest(name, known)}")
    ordered = sorted(definitions, key=lambda definition: definition.images)
    frames = [counted(read_attempts(database, d.name)) for d in ordered]
    measured = [
        entry
        for definition, frame in zip(ordered, frames, strict=True)
        for entry in _measured(definition, frame, load_rungs(database, definition.name))
    ]
    reference = next((m for m in reversed(measured) if m.measurement == "accuracy"), None)
    if reference is None or len({m.protocol for m in measured}) < 2:
        remedy = "has not finished trials under two protocols; run it again with another --protocol"
        raise InputError("study", None, name, remedy)
    if len(reference.samples) < 3:
        remedy = f"has only {count(len(reference.samples), 'arm')} under {reference.protocol}; "
        raise InputError("study", None, name, f"{remedy}an order takes three")
    means = {arm: float(np.mean(values)) for arm, values in reference.samples.items()}
    states = [
        Progress.of(frame["state"], d.planned) for d, frame in zip(ordered, frames, strict=True)
    ]
    return FidelityReport(
        study=name,
        reference=reference.protocol,
        reference_study=next(d.name for d in ordered if d.protocol == reference.protocol),
        arms=dict(sorted(means.items(), key=lambda item: -item[1])),
        rows=tuple(_row(entry, reference) for entry in measured),
        missing=sum(state.total - state.complete for state in states),
    )


def _measured(definition: Definition, frame: pd.DataFrame, rungs: pd.DataFrame) -> list[_Measured]:
    trained = frame[frame["formula"].notna()]
    key = ["arm", "replicate", "attempt"]
    rungs = rungs.merge(trained[key], on=key)
    protocol, found = definition.protocol, []
    for images, here in rungs.groupby("images_seen"):
        step, seconds = int(str(images)), float(here["seconds"].mean())
        found.append(_Measured(protocol, "probe", step, seconds, _by_arm(here, here["accuracy"])))
        if here["loss"].notna().all():
            # The arm that is learned fastest counts as the best.
            found.append(_Measured(protocol, "loss", step, seconds, _by_arm(here, -here["loss"])))
    ended = trained[trained["state"].eq("COMPLETE")]
    if len(ended):
        seen = int(rungs["images_seen"].max()) if len(rungs) else definition.images or None
        mean = float(ended["seconds.total"].mean()) if "seconds.total" in ended else np.nan
        values = _by_arm(ended, ended["accuracy"])
        found.append(
            _Measured(protocol, "accuracy", seen, None if np.isnan(mean) else mean, values)
        )
    return found


def _by_arm(frame: pd.DataFrame, values: "pd.Series[float]") -> dict[str, list[float]]:
    ordered = values[frame.sort_values(["arm", "replicate"]).index].dropna()
    return {str(arm): group.tolist() for arm, group in ordered.groupby(frame["arm"], sort=False)}


def _row(measured: _Measured, reference: _Measured) -> Fidelity:
    picked = chances_of_pick({a: v for a, v in measured.samples.items() if a in reference.samples})
    means = {arm: float(np.mean(values)) for arm, values in reference.samples.items()}
    paired = measured.protocol == reference.protocol
    pair = (measured.samples, reference.samples)
    tau, rho = (
        None if measured is reference else rank_agreement(*pair, statistic, paired=paired)
        for statistic in (kendall, spearman)
    )
    lost = max((means[arm] for arm in picked), default=0.0)
    lost -= sum(chance * means[arm] for arm, chance in picked.items())
    return Fidelity(
        protocol=measured.protocol,
        measurement=measured.measurement,
        images=measured.images,
        seconds=measured.seconds,
        arms=len(measured.samples),
        trials=sum(map(len, measured.samples.values())),
        intraclass=intraclass(measured.samples),
        kendall=tau,
        spearman=rho,
        single=agreement_of_one(*pair, paired=paired),
        loss=lost if picked else None,
    )


_COLUMNS = (
    Column("Protocol", text=True, priority=0),
    Column("Measured by", text=True, priority=0),
    Column("Images", priority=1),
    Column("Seconds", priority=1),
    Column("n", priority=3),
    Column("Intraclass correlation", priority=2),
    Column("Kendall's tau", priority=1),
    Column("Spearman's rho", priority=4),
    Column("Tau of true means", priority=1),
    Column("Tau of one trial", priority=2),
    Column("Loss [points]", priority=2),
)
_WORDS = {"accuracy": "fine-tuning", "loss": "pre-training loss"}


def fidelity_table(report: FidelityReport) -> Table:
    """Arrange the fidelity of a study as the table of a paper."""

    def number(value: float | None) -> str:
        return MISSING if value is None else numerals.fixed(value, 2)

    def estimate(found: Estimate | None) -> str:
        if found is None:
            return MISSING
        return numerals.with_interval(number, found.value, found.low, found.high)

    rows = []
    for row in report.rows:
        tau = number(row.kendall.observed if row.kendall else None)
        itself = row.protocol == report.reference and row.measurement == "accuracy"
        rows.append(
            (
                row.protocol,
                _WORDS.get(row.measurement, row.measurement),
                MISSING if row.images is None else str(row.images),
                MISSING if row.seconds is None else numerals.significant(row.seconds, 2),
                str(row.trials),
                estimate(row.intraclass),
                "reference" if itself else tau,
                number(row.spearman.observed if row.spearman else None),
                estimate(row.kendall.true if row.kendall else None),
                number(row.single),
                MISSING if row.loss is None else numerals.percent(row.loss),
            )
        )
    caption = (
        f"Fidelity of study {report.study}: how well each measurement orders the pre-trained arms.",
        f"It is compared with fine-tuning under the longest protocol, {report.reference}.",
    )
    order = ", ".join(f"{arm} {numerals.percent(mean)}" for arm, mean in report.arms.items())
    verb = "is" if report.missing == 1 else "are"
    notes = [
        "In brackets: 95 % intervals.",
        "Seconds: mean wall-clock time of a trial up to there; n: trials measured.",
        "Intraclass correlation: share of the variance of single trials that is between arms.",
        "Tau, rho: rank correlation of the arms' observed means with those of the reference.",
        "Tau of true means: without the scatter of replicates, median under a normal model.",
        "Tau of one trial: in the mean over single trials, one per arm.",
        "Loss: what the arm that looks best by one trial per arm lacks, in the mean.",
        f"Order in the reference: {order}.",
    ]
    if report.missing:
        planned = count(report.missing, "planned trial")
        notes.append(f"Preliminary: {planned} {verb} not complete.")
    return Table.of(_COLUMNS, rows, caption=caption, notes=tuple(notes))


def fidelity_frame(report: FidelityReport) -> pd.DataFrame:
    """Return the fidelity of a study as a frame, a row per measurement.

    The columns are the fields of :class:`Fidelity`; those of an estimate or an agreement follow its
    name: ``kendall.observed``, ``kendall.true.low``.
    """
    frame = pd.json_normalize([asdict(row) for row in report.rows])
    parts = [f"{c.split('.')[0]}." for c in frame.columns if "." in c]
    plain = [c for c in frame.columns if "." in c or f"{c}." not in parts]
    return frame[[c for c in plain if not c.endswith(".true")]]
