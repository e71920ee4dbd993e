"""What a study asks for and where its numbers come from, as tables of its page."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from explorer.report import numerals
from explorer.report.frame import counted
from explorer.report.tables import Column, Table

MOST_REASONS, MOST_RUNS = 20, 10
_LONG = 300  # characters of a reason
_PROSE = ("name", "digest", "description", "expect")


def protocol_table(protocol: Mapping[str, Any]) -> Table | None:
    """Return the entries of a protocol, a row each; ``None`` where a study has none."""
    rows = list(_flat({key: value for key, value in protocol.items() if key not in _PROSE}))
    text = " ".join(str(protocol.get("description", "")).split())
    caption = f"Protocol {protocol.get('name', '')}: {text}"
    return _table(("Entry", "Value"), rows, caption)


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
            or numerals.MISSING,
        )
        for formula, parameters in list(by_formula.items())[::-1]
        for parameter, bounds in parameters.items()
    ]
    headings = ("Formula", "Parameter", "Default", "Low end", "High end", "Varied by")
    caption = (
        "Every parameter of the search space: its range where nothing sets it, and how far the low "
        "and the high end of its range may move."
    )
    return _table(headings, rows, caption)


def _flat(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _flat(value, f"{key}.{name}" if key else str(name))
    elif isinstance(content, list | tuple) and any(isinstance(part, Mapping) for part in content):
        for position, value in enumerate(content):
            yield from _flat(value, f"{key}.{position}")
    elif isinstance(content, list | tuple):
        yield key, ", ".join(map(_value, content)) or "none"
    else:
        yield key, _value(content)


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _range(ends: Any) -> str:
    return numerals.span(float(ends[0]), float(ends[1])) if ends else numerals.MISSING


def failures_table(trials: pd.DataFrame) -> Table | None:
    """Return the failures by their reason, the most frequent first; ``None`` without any."""
    rows = counted(trials)
    failed = rows[rows["state"] == "FAIL"]
    failed = failed.assign(reason=failed["reason"].fillna("no reason recorded"))
    reasons = Counter(failed["reason"]).most_common()
    lines = []
    for reason, times in reasons[:MOST_REASONS]:
        arms = failed.loc[failed["reason"] == reason, "arm"].unique().tolist()
        more = f" and {len(arms) - 6} more" if len(arms) > 6 else ""
        short = reason if len(reason) <= _LONG else f"{reason[:_LONG]} ..."
        lines.append((short, str(times), ", ".join(arms[:6]) + more))
    hidden = len(reasons) - MOST_REASONS
    caption = "Replicates that failed, counted by the last line of the error."
    if hidden > 0:
        caption += f" {numerals.count(hidden, 'further reason')} not shown."
    headings = ("Reason", "Replicates", "Arms")
    return _table(headings, lines, caption, numbers=headings[1:2])


def machines_table(trials: pd.DataFrame) -> Table | None:
    """Return the hosts and devices that attempts ran on; ``None`` where none says."""
    ran = trials[trials["host"].notna() & trials["cached_from"].isna()]
    if ran.empty:
        return None
    seconds = ran["seconds.total"] if "seconds.total" in ran else pd.Series(0.0, ran.index)
    frame = ran.assign(device=ran["device"].fillna(numerals.MISSING), seconds=seconds.fillna(0.0))
    where = frame.groupby(["host", "device"])["seconds"].agg(["size", "sum"]).reset_index()
    where = where.sort_values("size", ascending=False, kind="stable")
    rows = [
        (str(host), str(device), str(size), f"{total / 3600:.2f}")
        for host, device, size, total in where.head(MOST_RUNS).itertuples(index=False)
    ]
    cached = int(trials["cached_from"].notna().sum())
    caption = "Where replicates ran, and the sum of their hours."
    if cached:
        caption += f" {numerals.count(cached, 'further replicate')} took a result that was known."
    if len(where) > MOST_RUNS:
        caption += f" {len(where) - MOST_RUNS} further machines are not shown."
    headings = ("Host", "Device", "Replicates", "Hours")
    return _table(headings, rows, caption, numbers=headings[2:])


def versions_table(runs: Sequence[Mapping[str, Any]]) -> Table | None:
    """Return the versions that the runs of a study used."""
    versions: dict[str, list[str]] = {}
    for run in runs:
        for name, value in run["provenance"].items():
            values = versions.setdefault(name, [])
            if value is not None and str(value) not in values:
                values.append(str(value))
    rows = [(name, ", then ".join(values)) for name, values in versions.items() if values]
    caption = "Versions in the driver."
    return _table(("What", "Version"), rows, caption)


def runs_table(runs: Sequence[Mapping[str, Any]]) -> Table | None:
    """Return the runs of a study, the latest last; ``None`` where none is recorded."""
    rows = [
        (_moment(run["started_at"]), _moment(run["ended_at"]), run["host"], run["command"])
        for run in runs[-MOST_RUNS:]
    ]
    hidden = len(runs) - MOST_RUNS
    caption = "Runs of the study; one without an end is at work, or was killed."
    caption += f" The first {hidden} are not shown." if hidden > 0 else ""
    headings = ("Start (UTC)", "End (UTC)", "Host", "Command")
    return _table(headings, rows, caption)


def _moment(when: datetime | None) -> str:
    return numerals.MISSING if when is None else f"{when:%Y-%m-%d %H:%M}"


def _table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
    *,
    numbers: Sequence[str] = (),
) -> Table | None:
    if not rows:
        return None
    columns = [Column(heading, text=heading not in numbers) for heading in headings]
    return Table.of(columns, rows, caption=(caption,))
