"""How well cheap trials decide between arms as expensive ones do: one study under protocols.

*Decision accuracy* (Magnusson et al., DataDecide, 2025) is the share of the pairs of arms that a
score orders as a reference does. Every rung of every protocol, and its end, is a score that a study
could stop at; the reference is the end of the longest protocol.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from explorer import store
from explorer.errors import InputError, nearest
from explorer.report import numerals
from explorer.report.frame import (
    Definition,
    Progress,
    counted,
    load_rungs,
    read_attempts,
    read_definition,
)
from explorer.report.numerals import MISSING, count
from explorer.report.statistics import Estimate, compare
from explorer.report.tables import Column, Table
from explorer.store import Database

SEPARATOR = "@"
"""Between the name of a study and the protocol that it ran under."""

_RESAMPLES = 2000

Samples = Mapping[str, Sequence[float]]
"""The values of the replicates of each arm."""

Pair = tuple[str, str]


def clear_pairs(reference: Samples) -> list[Pair]:
    """Return the pairs of arms that differ significantly: Welch's test, p < 0.05, uncorrected."""
    pairs = combinations(reference, 2)
    return [(a, b) for a, b in pairs if compare(reference[a], reference[b]).significant]


def decision_accuracy(
    samples: Samples, reference: Mapping[str, float], pairs: Collection[Pair]
) -> Estimate | None:
    """Return the share of pairs of arms whose means are ordered as in a reference.

    Equal means count as half, since any guess would. Pairs that are equal in the reference, or of
    which an arm has no value, are left out.

    Args:
        samples: The score of each replicate by arm, high before low.
        reference: A number per arm: means over replicates, or what a paper has published.
        pairs: The pairs that count.

    Returns:
        A share in [0, 1] with the 95 % interval of a bootstrap over the replicates of each arm
        (none where an arm has only one), and the number of pairs; ``None`` without a pair.
    """
    known = {arm: np.asarray(v, np.float64) for arm, v in samples.items() if len(v)}
    usable = [(a, b) for a, b in pairs if {a, b} <= known.keys() and reference[a] != reference[b]]
    if not usable:
        return None
    arms = list(dict.fromkeys(arm for pair in usable for arm in pair))
    first, second = np.array([[arms.index(arm) for arm in pair] for pair in usable]).T
    truth = np.sign([reference[a] - reference[b] for a, b in usable])

    def share(means: np.ndarray) -> np.ndarray:  # [..., arms] -> [...]
        shown = np.sign(means[..., first] - means[..., second])
        return np.asarray((1 + shown * truth).mean(-1) / 2)

    value = float(share(np.array([known[arm].mean() for arm in arms])))
    if any(len(known[arm]) < 2 for arm in arms):
        return Estimate(value, None, None, len(usable))
    random = np.random.default_rng(0)
    drawn = [random.choice(known[arm], (_RESAMPLES, len(known[arm]))).mean(-1) for arm in arms]
    low, high = np.quantile(share(np.stack(drawn, -1)), (0.025, 0.975))
    return Estimate(value, float(low), float(high), len(usable))


@dataclass(frozen=True, slots=True)
class Score:
    """What a score that a study could stop at is worth.

    Attributes:
        protocol: Name of the protocol.
        measurement: ``probe`` at a rung, ``accuracy`` (of fine-tuning) at the end of a trial.
        images: Pre-training images seen by then; ``None`` where trials do not say.
        seconds: Mean core-seconds of a pre-trained trial up to there: wall-clock seconds times the
            cores that its protocol gives it.
        trials: Trials that it was measured in.
        clear: Decision accuracy over the pairs that are clear in the reference; ``None`` for the
            reference itself, and where there is no such pair.
        every: The same over all pairs.
        kendall: Kendall's tau of the means of the arms with those of the reference.
    """

    protocol: str
    measurement: str
    images: int | None
    seconds: float | None
    trials: int
    clear: Estimate | None = None
    every: Estimate | None = None
    kendall: float | None = None


@dataclass(frozen=True, slots=True)
class FidelityReport:
    """What every score of a study under several protocols is worth.

    Attributes:
        study: Name of the study.
        reference: The longest protocol, whose end all are compared with.
        arms: Mean accuracy of every pre-trained arm at that end, best first.
        rows: The scores, protocol by protocol from the shortest, in the order of a trial.
        missing: Trials that are planned and not complete, over all protocols.
    """

    study: str
    reference: str
    arms: Mapping[str, float]
    rows: tuple[Score, ...]
    missing: int


def members(name: str, database: Database) -> list[str]:
    """Return the names under which a study is in a database: its own and ``name@protocol``."""
    names = store.study_names(database)
    return sorted(n for n in names if n == name or n.startswith(f"{name}{SEPARATOR}"))


def fidelity(database: Database, name: str) -> FidelityReport:
    """Compare the protocols that a study has run under.

    Arms without pre-training on a formula have no rungs and are left out. A trial that was stopped
    early counts at the rungs that it reached.

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
    measured: list[tuple[Score, Samples]] = []
    missing = 0
    for definition in sorted(definitions, key=lambda definition: definition.images):
        frame = counted(read_attempts(database, definition.name))
        measured += _measured(definition, frame, load_rungs(database, definition.name))
        state = Progress.of(frame["state"], definition.planned)
        missing += state.total - state.complete
    ends = [entry for entry in measured if entry[0].measurement == "accuracy"]
    if not ends or len({score.protocol for score, _ in measured}) < 2:
        remedy = "has not finished trials under two protocols; run it again with another --protocol"
        raise InputError("study", None, name, remedy)
    longest, samples = ends[-1]
    if len(samples) < 3:
        remedy = f"has only {count(len(samples), 'arm')} under {longest.protocol}; "
        raise InputError("study", None, name, f"{remedy}an order takes three")
    means = {arm: float(np.mean(values)) for arm, values in samples.items()}
    clear, every = clear_pairs(samples), list(combinations(samples, 2))
    rows = [
        score if score is longest else _judged(score, values, means, clear, every)
        for score, values in measured
    ]
    best_first = dict(sorted(means.items(), key=lambda item: -item[1]))
    return FidelityReport(name, longest.protocol, best_first, tuple(rows), missing)


def _measured(
    definition: Definition, frame: pd.DataFrame, rungs: pd.DataFrame
) -> list[tuple[Score, Samples]]:
    """Return the scores of one protocol with their values; they are not yet judged."""
    trained = frame[frame["formula"].notna()]
    rungs = rungs.merge(trained[["arm", "replicate", "attempt"]])
    stages = [
        ("probe", int(str(images)), here["seconds"], here)
        for images, here in rungs.groupby("images_seen")
    ]
    ended = trained[trained["state"].eq("COMPLETE")]
    if len(ended):
        seen = int(rungs["images_seen"].max()) if len(rungs) else definition.images
        stages.append(("accuracy", seen, ended.get("seconds.total", pd.Series()), ended))
    measured: list[tuple[Score, Samples]] = []
    for measurement, seen, seconds, here in stages:
        groups = here.dropna(subset="accuracy").groupby("arm", sort=False)["accuracy"]
        samples = {str(arm): values.tolist() for arm, values in groups}
        spent = None if seconds.isna().all() else float(seconds.mean()) * definition.cpus
        trials = sum(map(len, samples.values()))
        score = Score(definition.protocol, measurement, seen or None, spent, trials)
        measured.append((score, samples))
    return measured


def _judged(
    score: Score,
    samples: Samples,
    reference: Mapping[str, float],
    clear: Collection[Pair],
    every: Collection[Pair],
) -> Score:
    from scipy.stats import kendalltau

    shared = [arm for arm in reference if samples.get(arm)]
    means = [float(np.mean(samples[arm])) for arm in shared]
    ordered = len(set(means)) > 1
    tau = kendalltau(means, [reference[arm] for arm in shared]).statistic if ordered else None
    return replace(
        score,
        clear=decision_accuracy(samples, reference, clear),
        every=decision_accuracy(samples, reference, every),
        kendall=None if tau is None else float(tau),
    )


_COLUMNS = (
    Column("Protocol", text=True, priority=0),
    Column("Score", text=True, priority=0),
    Column("Images", priority=2),
    Column("Core-seconds", priority=1),
    Column("n", priority=4),
    Column("Clear pairs [%]", priority=1),
    Column("All pairs [%]", priority=2),
    Column("Kendall's tau", priority=3),
)


def fidelity_table(report: FidelityReport) -> Table:
    """Arrange what the scores of a study are worth as the table of a paper."""

    def share(estimate: Estimate | None) -> str:
        if estimate is None:
            return MISSING
        ends = (estimate.value, estimate.low, estimate.high)
        return numerals.with_interval(partial(numerals.percent, places=0), *ends)

    rows = []
    for row in report.rows:
        judged = (
            share(row.clear),
            share(row.every),
            MISSING if row.kendall is None else numerals.fixed(row.kendall, 2),
        )
        end = row.measurement == "accuracy"
        rows.append(
            (
                row.protocol,
                "fine-tuning" if end else row.measurement,
                MISSING if row.images is None else str(row.images),
                MISSING if row.seconds is None else numerals.significant(row.seconds, 2),
                str(row.trials),
                *(("reference",) * 3 if end and row.protocol == report.reference else judged),
            )
        )
    clear, every = (
        max((pairs.n for row in report.rows if (pairs := getattr(row, kind))), default=0)
        for kind in ("clear", "every")
    )
    caption = (
        f"Decision accuracy of study {report.study}.",
        f"It is the share of pairs of arms ordered as by fine-tuning under {report.reference}.",
    )
    order = ", ".join(f"{arm} {numerals.percent(mean)}" for arm, mean in report.arms.items())
    notes = [
        f"Clear pairs ({clear} of {every}): significant in the reference (Welch, p < 0.05).",
        "In brackets: 95 % interval of a bootstrap over replicates.",
        "Core-seconds: mean per trial up to there; n: trials measured.",
        "Rungs of the reference are of the same trials as the reference.",
        f"Order in the reference: {order}.",
    ]
    if report.missing:
        verb = "is" if report.missing == 1 else "are"
        planned = count(report.missing, "planned trial")
        notes.append(f"Preliminary: {planned} {verb} not complete.")
    return Table.of(_COLUMNS, rows, caption=caption, notes=tuple(notes))


def fidelity_frame(report: FidelityReport) -> pd.DataFrame:
    """Return the fields of each :class:`Score` as a frame; ``clear.low`` is that of an estimate."""
    frame = pd.json_normalize([asdict(row) for row in report.rows])
    return frame.drop(columns=["clear", "every"], errors="ignore")  # of the reference: nothing
