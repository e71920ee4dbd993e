"""How well cheap trials decide between arms as expensive ones do.

*Decision accuracy* (Magnusson et al., DataDecide, 2025) is the share of the pairs of arms that a
score orders as a reference does. The reference is what a paper has measured of the arms at full
scale, or fine-tuning under the longest protocol that a study has run under. Every rung of a
protocol, and every score at its end, is one that a study could decide by.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
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

STRONG = 0.10
"""A published difference of so much or more is strong."""

_RESAMPLES = 2000

Samples = Mapping[str, Sequence[float]]
"""The values of the replicates of each arm."""

Pair = tuple[str, str]


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
    """What a score that a study could decide by is worth.

    Attributes:
        protocol: Name of the protocol.
        measurement: ``probe`` at a rung; at the end of a trial ``accuracy`` (of fine-tuning), or
            the name of a companion score.
        images: Pre-training images seen by then; ``None`` where trials do not say.
        seconds: Mean core-seconds of a pre-trained trial up to there: wall-clock seconds times the
            cores that its protocol gives it.
        trials: Trials that it was measured in.
        shares: Decision accuracy by kind of pair, see :class:`Judgement`; a kind of which it has no
            pair is ``None``. Empty for the reference itself.
    """

    protocol: str
    measurement: str
    images: int | None
    seconds: float | None
    trials: int
    shares: Mapping[str, Estimate | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What every score of a study is worth, by one reference.

    Attributes:
        study: Name of the study.
        reference: The task that a paper has published, or the protocol whose end is the reference.
        source: The paper; empty where the reference is a protocol.
        arms: Accuracy of every arm in the reference, in [0, 1], best first.
        pairs: How many pairs there are of each kind. ``clear`` are those that the reference orders
            beyond its noise. A paper's are ``strong`` (10 points and more) or ``medium``, and those
            inside the noise of its test set are ``weak``; a protocol's are all in ``every``.
        rows: The scores, protocol by protocol from the shortest, in the order of a trial.
        missing: Trials that are planned and not complete, over all protocols.
    """

    study: str
    reference: str
    source: str
    arms: Mapping[str, float]
    pairs: Mapping[str, int]
    rows: tuple[Score, ...]
    missing: int


def members(name: str, database: Database) -> list[str]:
    """Return the names under which a study is in a database: its own and ``name@protocol``."""
    names = store.study_names(database)
    return sorted(n for n in names if n == name or n.startswith(f"{name}{SEPARATOR}"))


def judged(database: Database, name: str) -> tuple[Judgement, ...]:
    """Judge a study by published numbers where it names them, else by its longest protocol.

    Returns:
        Nothing where neither can be.
    """
    known = published(database, name)
    alone = name.partition(SEPARATOR)[0]
    if known or len(members(alone, database)) < 2:
        return known
    try:
        return (fidelity(database, alone),)
    except InputError:  # the other protocols have not come as far
        return ()


def published(database: Database, name: str) -> tuple[Judgement, ...]:
    """Judge the scores of a study by what a paper has published of its arms.

    Args:
        database: Where it is.
        name: Its name; without a protocol, all that it has run under are judged.

    Returns:
        A judgement per task; none where the study names no published numbers, or has no score.
    """
    definitions = _definitions(database, name)
    known = definitions[-1].published if definitions else {}
    tasks = known.get("tasks") or {}
    arms = {arm for task in tasks.values() for arm in task["accuracy"]}
    measured, missing = _measured(database, definitions if arms else [], arms.__contains__)
    judgements = []
    for task, numbers in tasks.items() if measured else ():
        means = {arm: percent / 100 for arm, percent in numbers["accuracy"].items()}
        # Decimals of percent: what 84.9 - 74.9 leaves in binary is no difference.
        gaps = {(a, b): round(abs(means[a] - means[b]), 9) for a, b in combinations(means, 2)}
        noise = numbers["noise"] / 100
        kinds = {
            "clear": [pair for pair, gap in gaps.items() if gap > noise],
            "strong": [pair for pair, gap in gaps.items() if gap > noise and gap >= STRONG],
            "medium": [pair for pair, gap in gaps.items() if noise < gap < STRONG],
            "weak": [pair for pair, gap in gaps.items() if 0 < gap <= noise],
        }
        by = name, task, str(known.get("source", ""))
        judgements.append(_judge(by, means, kinds, measured, missing))
    return tuple(judgements)


def fidelity(database: Database, name: str) -> Judgement:
    """Judge the protocols that a study has run under by the end of the longest.

    Controls are left out: most have no rungs. A trial that was stopped early counts at the rungs
    that it reached.

    Args:
        database: Where it is.
        name: Name of the study, without a protocol.

    Raises:
        InputError: If the study has not run under two protocols with at least three common arms.
    """
    definitions = _definitions(database, name)
    if not definitions:
        known = {n.partition(SEPARATOR)[0] for n in store.study_names(database)}
        raise InputError("study", None, name, f"not in this database; {nearest(name, known)}")
    controls = {arm for definition in definitions for arm in definition.controls}
    measured, missing = _measured(database, definitions, lambda arm: arm not in controls)
    ends = [entry for entry in measured if entry[0].measurement == "accuracy"]
    if not ends or len({score.protocol for score, _ in measured}) < 2:
        remedy = "has not finished trials under two protocols; run it again with another --protocol"
        raise InputError("study", None, name, remedy)
    longest, samples = ends[-1]
    if len(samples) < 3:
        remedy = f"has only {count(len(samples), 'arm')} under {longest.protocol}; "
        raise InputError("study", None, name, f"{remedy}an order takes three")
    means = {arm: float(np.mean(values)) for arm, values in samples.items()}
    every = list(combinations(samples, 2))
    clear = [(a, b) for a, b in every if compare(samples[a], samples[b]).significant]
    kinds = {"clear": clear, "every": every}
    judgement = _judge((name, longest.protocol, ""), means, kinds, measured, missing)
    place = [score for score, _ in measured].index(longest)
    rows = (*judgement.rows[:place], longest, *judgement.rows[place + 1 :])
    return replace(judgement, rows=rows)


def _definitions(database: Database, name: str) -> list[Definition]:
    known = [read_definition(database, member) for member in members(name, database)]
    return sorted(known, key=lambda definition: definition.images)


def _measured(
    database: Database, definitions: Sequence[Definition], counts: Callable[[str], bool]
) -> tuple[list[tuple[Score, Samples]], int]:
    """Return the scores of the arms that count with their values, and how many trials lack."""
    measured: list[tuple[Score, Samples]] = []
    missing = 0
    for definition in definitions:
        frame = counted(read_attempts(database, definition.name))
        state = Progress.of(frame["state"], definition.planned)
        missing += state.total - state.complete
        frame = frame[frame["arm"].map(counts)]
        rungs = load_rungs(database, definition.name)
        rungs = rungs.merge(frame[["arm", "replicate", "attempt", "formula"]])
        stages = [
            ("probe", int(str(images)), "seconds", here.rename(columns={"accuracy": "probe"}))
            for images, here in rungs.groupby("images_seen")
        ]
        ended = frame[frame["state"].eq("COMPLETE")]
        seen = int(rungs["images_seen"].max()) if len(rungs) else definition.images
        companions = [str(column) for column in frame if str(column).startswith("companions.")]
        stages += [(score, seen, "seconds.total", ended) for score in ("accuracy", *companions)]
        for column, images, clock, here in stages:
            groups = here.dropna(subset=column).groupby("arm", sort=False)[column]
            samples = {str(arm): values.tolist() for arm, values in groups}
            trained = here[here["formula"].notna()]
            seconds = trained.get(clock, pd.Series(dtype=float)).mean()
            score = Score(
                protocol=definition.protocol,
                measurement=column.removeprefix("companions."),
                images=images or None,
                seconds=None if pd.isna(seconds) else float(seconds) * definition.cpus,
                trials=sum(map(len, samples.values())),
            )
            measured += [(score, samples)] if samples else []
    return measured, missing


def _judge(
    by: tuple[str, str, str],
    means: Mapping[str, float],
    kinds: Mapping[str, Sequence[Pair]],
    measured: Sequence[tuple[Score, Samples]],
    missing: int,
) -> Judgement:
    """Judge scores by the pairs of a reference; ``by``: the study, the reference, its source."""
    rows = [
        replace(score, shares={k: decision_accuracy(values, means, p) for k, p in kinds.items()})
        for score, values in measured
    ]
    best_first = dict(sorted(means.items(), key=lambda item: -item[1]))
    pairs = {kind: len(known) for kind, known in kinds.items()}
    return Judgement(*by, best_first, pairs, tuple(rows), missing)


def decisions_table(judgement: Judgement) -> Table:
    """Arrange what the scores of a study are worth as the table of a paper."""
    kinds = [kind for kind, pairs in judgement.pairs.items() if pairs]
    columns = [
        Column("Protocol", text=True, priority=2),
        Column("Score", text=True, priority=0),
        Column("Images", priority=3),
        Column("Core-seconds", priority=1),
        Column("n", priority=5),
        *(Column(f"{kind.capitalize()} [%]", priority=1) for kind in kinds),
    ]
    rows = [
        (
            row.protocol,
            score_title(row),
            MISSING if row.images is None else str(row.images),
            MISSING if row.seconds is None else numerals.significant(row.seconds, 2),
            str(row.trials),
            *(_share(row.shares.get(kind)) if row.shares else "reference" for kind in kinds),
        )
        for row in judgement.rows
    ]
    by = judgement.source and f"on {judgement.reference} in {judgement.source}"
    caption = (
        f"Decision accuracy of study {judgement.study}.",
        f"It is the share of pairs of arms ordered as {by or f'under {judgement.reference}'}.",
    )
    clear = "beyond the noise of the test set" if by else "significant there (Welch, p < 0.05)"
    counts = ", ".join(f"{judgement.pairs[kind]} {kind}" for kind in kinds)
    order = ", ".join(f"{arm} {numerals.percent(mean)}" for arm, mean in judgement.arms.items())
    notes = [
        f"Pairs: {counts}. Clear: {clear}.",
        f"Strong: {100 * STRONG:.0f} points and more; weak: inside that noise." if by else "",
        "In brackets: 95 % interval of a bootstrap over replicates.",
        "Core-seconds: mean per pre-trained trial up to there; n: trials measured.",
        f"Order in the reference: {order}.",
    ]
    if judgement.missing:
        verb = "is" if judgement.missing == 1 else "are"
        planned = count(judgement.missing, "planned trial")
        notes.append(f"Preliminary: {planned} {verb} not complete.")
    return Table.of(columns, rows, caption=caption, notes=tuple(filter(None, notes)))


def score_title(score: Score) -> str:
    """Return what a score is called in tables and figures."""
    name = "fine-tuning" if score.measurement == "accuracy" else score.measurement
    return name.replace("_", "-")


def _share(estimate: Estimate | None) -> str:
    if estimate is None:
        return MISSING
    write = partial(numerals.percent, places=0)
    return numerals.with_interval(write, estimate.value, estimate.low, estimate.high)


def decisions_frame(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """Return the rows of judgements as a frame: ``shares.clear.low`` is that of an estimate."""
    rows = [
        {"reference": judgement.reference, **asdict(row)}
        for judgement in judgements
        for row in judgement.rows
    ]
    frame = pd.json_normalize(rows)
    nothing = [c for c in frame if str(c).count(".") < 2 and str(c).startswith("shares")]
    return frame.drop(columns=nothing)  # of the reference, and of kinds without a pair
