"""What a study asks for and where its numbers come from, as tables of its page."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from explorer.report import numerals
from explorer.report.frame import counted
from explorer.report.numerals import MISSING
from explorer.report.tables import Column, Table

MOST = 20
"""Rows of a table; how many more there are is said below it."""

_LONG = 300  # characters of a reason
_PROSE = ("name", "digest", "description", "expect")


def protocol_table(definition: Mapping[str, Any]) -> Table | None:
    """Return the entries of a study's protocol, a row each; ``None`` where it has none."""
    protocol = definition.get("protocol") or {}
    rows = list(_flat({key: value for key, value in protocol.items() if key not in _PROSE}))
    text = " ".join(str(protocol.get("description", "")).split())
    caption = f"Protocol {protocol.get('name', '')}: {text}"
    return _table(("Entry", "Value"), rows, caption, most=len(rows))


def _flat(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    entries: Iterable[tuple[Any, Any]] = content.items() if isinstance(content, Mapping) else ()
    if isinstance(content, list | tuple) and any(isinstance(part, Mapping) for part in content):
        entries = enumerate(content)
    elif not isinstance(content, Mapping):
        yield key, numerals.plain(content)
    for name, value in entries:
        yield from _flat(value, f"{key}.{name}" if key else str(name))


def space_table(definition: Mapping[str, Any]) -> Table | None:
    """Return the search spaces of a study, a row per parameter; ``None`` where it has none."""
    spaces = [definition.get("search_space") or {}, *(definition.get("arm_spaces") or {}).values()]
    sampled = set(definition.get("vary") or ())
    named = {p for ranges in (definition.get("arms") or {}).values() for p in ranges or {}}
    by_formula = {space.get("formula"): space.get("parameters") or {} for space in spaces[::-1]}
    rows = [
        (
            str(formula),
            parameter,
            *(_range(bounds.get(key)) for key in ("default", "low", "high")),
            " and ".join(
                who for who, moved in (("arms", named), ("sampler", sampled)) if parameter in moved
            )
            or MISSING,
        )
        for formula, parameters in list(by_formula.items())[::-1]
        for parameter, bounds in parameters.items()
    ]
    headings = ("Formula", "Parameter", "Default", "Low end", "High end", "Varied by")
    caption = (
        "Every parameter of the search space: its range where nothing sets it, and how far the low "
        "and the high end of its range may move."
    )
    return _table(headings, rows, caption, most=len(rows))


def _range(ends: Any) -> str:
    return numerals.span(float(ends[0]), float(ends[1])) if ends else MISSING


def failures_table(trials: pd.DataFrame) -> Table | None:
    """Return the failures by their reason, the most frequent first; ``None`` without any."""
    rows = counted(trials)
    failed = rows[rows["state"] == "FAIL"].fillna({"reason": "no reason recorded"})
    lines = []
    for reason, times in failed["reason"].value_counts().items():
        arms = failed.loc[failed["reason"] == reason, "arm"].unique().tolist()
        text = str(reason)
        short = text if len(text) <= _LONG else f"{text[:_LONG]} ..."
        lines.append((short, str(times), numerals.listed(arms)))
    caption = "Replicates that failed, counted by the last line of the error."
    headings = ("Reason", "Replicates", "Arms")
    return _table(headings, lines, caption, numbers=headings[1:2])


def machines_table(trials: pd.DataFrame) -> Table | None:
    """Return the hosts and devices that attempts ran on; ``None`` where none says."""
    ran = trials[trials["host"].notna() & trials["cached_from"].isna()]
    seconds = ran["seconds.total"] if "seconds.total" in ran else pd.Series(0.0, ran.index)
    frame = ran.assign(device=ran["device"].fillna(MISSING), seconds=seconds.fillna(0.0))
    where = frame.groupby(["host", "device"])["seconds"].agg(["size", "sum"]).reset_index()
    where = where.sort_values("size", ascending=False, kind="stable")
    rows = [
        (str(host), str(device), str(size), f"{total / 3600:.2f}")
        for host, device, size, total in where.itertuples(index=False)
    ]
    cached = int(trials["cached_from"].notna().sum())
    caption = "Where replicates ran, and the sum of their hours."
    if cached:
        caption += f" {numerals.count(cached, 'further replicate')} took a result that was known."
    headings = ("Host", "Device", "Replicates", "Hours")
    return _table(headings, rows, caption, numbers=headings[2:])


def versions_table(runs: Sequence[Mapping[str, Any]]) -> Table | None:
    """Return the versions that the runs of a study used."""
    versions: dict[str, dict[str, None]] = {}
    for run in runs:
        for name, value in run["provenance"].items():
            if value is not None:
                versions.setdefault(name, {})[str(value)] = None
    rows = [(name, ", then ".join(values)) for name, values in versions.items()]
    return _table(("What", "Version"), rows, "Versions in the driver.", most=len(rows))


def runs_table(runs: Sequence[Mapping[str, Any]]) -> Table | None:
    """Return the runs of a study, the latest first; ``None`` where none is recorded."""
    rows = [
        (_moment(run["started_at"]), _moment(run["ended_at"]), run["host"], run["command"])
        for run in runs[::-1]
    ]
    caption = "Runs of the study; one without an end is at work, or was killed."
    return _table(("Start (UTC)", "End (UTC)", "Host", "Command"), rows, caption)


def _moment(when: datetime | None) -> str:
    return MISSING if when is None else f"{when:%Y-%m-%d %H:%M}"


def _table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
    *,
    numbers: Sequence[str] = (),
    most: int = MOST,
) -> Table | None:
    if not rows:
        return None
    columns = [Column(heading, text=heading not in numbers) for heading in headings]
    if len(rows) > most:
        caption += f" {len(rows) - most} more are not shown."
    return Table.of(columns, rows[:most], caption=(caption,))
