"""A report as data: csv and json, in full precision and with nothing left out."""

import csv
import io
import json
import math
from collections.abc import Container
from dataclasses import asdict, fields
from typing import Any

from explorer.report.agreement import Estimate
from explorer.report.best import Best, best_ranges
from explorer.report.fidelity import FidelityReport
from explorer.report.importance import importances
from explorer.report.pareto import front, sought
from explorer.report.statistics import Spread
from explorer.report.summary import Arm, StudyReport
from explorer.report.variety import correlations


def to_csv(report: StudyReport) -> str:
    """Write a report as csv (RFC 4180, but lines end in a bare newline), a row an arm.

    The columns: ``arm``; ``sampled`` (0 or 1); ``formula``; ``<parameter>.low`` and
    ``<parameter>.high`` of the varied parameters; ``n``; ``accuracy`` and ``accuracy.std``, and
    for each task ``accuracy.<task>`` and ``accuracy.<task>.std``; ``gain`` over the baseline with
    ``gain.low`` and ``gain.high``, ``p``, ``p.holm`` and ``resolved`` (0 or 1);
    ``variety.<measure>``; ``front`` (0 or 1: on the Pareto front) where there are two objectives;
    ``seconds``; ``among_best`` (0 or 1: may be the best arm) where a sampler chose ranges.
    Accuracies and gains are shares of 1. What there is not is left empty.
    """
    return _csv(to_rows(report))


def to_rows(report: StudyReport) -> list[dict[str, object]]:
    """Return the rows of :func:`to_csv` by column, ``None`` for what there is not.

    They are the arms that were chosen to be shown, where any were.
    """
    on_front = {arm.name for arm in front(report)}
    best = best_ranges(report)
    rows = [_csv_row(arm, report, on_front) for arm in report.rows]
    if best is not None and best.among:
        for row in rows:
            row["among_best"] = int(row["arm"] in best.among)
    return rows


def fidelity_to_csv(report: FidelityReport) -> str:
    """Write the fidelity of a study as csv, a row a measurement.

    The columns are the fields of :class:`~explorer.report.Fidelity`. An estimate comes with
    ``<field>.low`` and ``<field>.high``; an agreement is the observed one, and that of true means
    is an estimate, ``<field>.true``. What there is not is left empty.
    """
    rows = []
    for found in report.rows:
        row: dict[str, object] = {}
        for field in fields(found):
            value = getattr(found, field.name)
            if field.name in _AGREEMENTS:
                row[field.name] = value.observed if value else None
                row |= _with_interval(f"{field.name}.true", value.true if value else None)
            elif field.name == "intraclass":
                row |= _with_interval(field.name, value)
            else:
                row[field.name] = value
        rows.append(row)
    return _csv(rows)


def fidelity_to_json(report: FidelityReport) -> str:
    """Write the fidelity of a study as json: its fields by name; what there is not is null."""
    return _json(asdict(report))


_AGREEMENTS = ("kendall", "spearman")


def _with_interval(name: str, estimate: Estimate | None) -> dict[str, object]:
    known = (estimate.value, estimate.low, estimate.high) if estimate else (None, None, None)
    return dict(zip((name, f"{name}.low", f"{name}.high"), known, strict=True))


def _csv(rows: list[dict[str, object]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def to_json(report: StudyReport) -> str:
    """Write a report as json: the fields of :class:`~explorer.report.StudyReport`, by name.

    Under ``correlations`` is that of each variety measure with accuracy, under ``front`` the names
    of the arms on the Pareto front, if two objectives were sought. Of a sampled study there are
    the fields of :class:`~explorer.report.Best` under ``best``, and under ``importances`` those of
    :class:`~explorer.report.Importances` for each objective. Accuracies and gains are
    shares of 1, what there is not is null.
    """
    content = asdict(report)
    content["progress"] |= {
        "done": report.progress.done,
        "waiting": report.progress.waiting,
        "finished": report.progress.finished,
    }
    content["correlations"] = {m: asdict(found) for m, found in correlations(report).items()}
    content["front"] = [arm.name for arm in front(report)]
    if any(arm.sampled for arm in report.arms):
        content["best"] = _best(best_ranges(report))
        content["importances"] = [asdict(importances(report, name)) for name in report.objectives]
    for arm, row in zip(report.arms, content["arms"], strict=True):
        if arm.difference:
            row["difference"]["resolved"] = arm.difference.resolved
    if report.lead:
        content["lead"]["resolved"] = report.lead.resolved
    return _json(content)


def _best(found: Best | None) -> dict[str, Any] | None:
    return None if found is None else {**asdict(found), "arm": found.arm.name}


def _json(content: dict[str, Any]) -> str:
    return json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _csv_row(arm: Arm, report: StudyReport, on_front: Container[str]) -> dict[str, object]:
    row: dict[str, object] = {
        "arm": arm.name,
        "sampled": int(arm.sampled),
        "formula": arm.formula,
    }
    for parameter in report.varied:
        low, high = arm.ranges.get(parameter, (None, None))
        row |= {f"{parameter}.low": low, f"{parameter}.high": high}
    row["n"] = len(arm.replicates)
    row |= _spread("accuracy", arm.accuracy)
    for task in report.tasks:
        row |= _spread(f"accuracy.{task}", arm.tasks.get(task))
    found = arm.difference
    row |= {
        "gain": found.gain if found else None,
        "gain.low": found.low if found else None,
        "gain.high": found.high if found else None,
        "p": found.p if found else None,
        "p.holm": found.p_corrected if found else None,
        "resolved": int(found.resolved) if found else None,
    }
    row |= {f"variety.{measure}": arm.variety.get(measure) for measure in report.measures}
    if sought(report):
        row["front"] = int(arm.name in on_front)
    row["seconds"] = arm.seconds
    return row


def _spread(name: str, sample: Spread | None) -> dict[str, object]:
    return {
        name: sample.mean if sample else None,
        f"{name}.std": sample.std if sample else None,
    }


def _plain(value: Any) -> Any:
    """Replace numbers that json does not have; a study may hold them, say a diverged loss."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
