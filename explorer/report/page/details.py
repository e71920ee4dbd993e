"""What a study asks for and where its numbers come from, as tables of its page."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from explorer.report import numerals
from explorer.report.frame import counted
from explorer.report.page.grid import Grid, plain_grid

MOST_REASONS, MOST_RUNS = 20, 10
_LONG = 300  # characters of a reason
_PROSE = ("name", "digest", "description", "expect")


def protocol_table(protocol: Mapping[str, Any]) -> Grid | None:
    """Return the entries of a protocol, a row each; ``None`` where a study has none."""
    rows = list(_flat({key: value for key, value in protocol.items() if key not in _PROSE}))
    text = " ".join(str(protocol.get("description", "")).split())
    caption = f"Protocol {protocol.get('name', '')}: {text}"
    title = "Entries of the protocol"
    return plain_grid("entries", title, ("Entry", "Value"), rows, caption) if rows else None


def space_table(definition: Mapping[str, Any]) -> Grid | None:
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
    return plain_grid("space", "Search space", headings, rows, caption) if rows else None


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


def failures(trials: pd.DataFrame) -> Counter[str]:
    """Count why replicates failed, attempts at the same replicate once.

    Args:
        trials: What :func:`explorer.report.load` returns.
    """
    return Counter(_failed(trials)["reason"])


def _failed(trials: pd.DataFrame) -> pd.DataFrame:
    rows = counted(trials)
    failed = rows[rows["state"] == "FAIL"]
    return failed.assign(reason=failed["reason"].fillna("no reason recorded"))


def failures_table(trials: pd.DataFrame) -> Grid | None:
    """Return the failures by their reason, the most frequent first; ``None`` without any."""
    failed = _failed(trials)
    reasons = failures(trials).most_common()
    rows = []
    for reason, times in reasons[:MOST_REASONS]:
        arms = failed.loc[failed["reason"] == reason, "arm"].unique().tolist()
        more = f" and {len(arms) - 6} more" if len(arms) > 6 else ""
        short = reason if len(reason) <= _LONG else f"{reason[:_LONG]} ..."
        rows.append((short, str(times), ", ".join(arms[:6]) + more))
    hidden = len(reasons) - MOST_REASONS
    caption = "Replicates that failed, counted by the last line of the error."
    if hidden > 0:
        caption += f" {numerals.count(hidden, 'further reason')} not shown."
    headings = ("Reason", "Replicates", "Arms")
    return (
        plain_grid("failed", "Failures", headings, rows, caption, headings[1:2]) if rows else None
    )


def machines_table(trials: pd.DataFrame) -> Grid | None:
    """Return the hosts and devices that attempts ran on; ``None`` where none says."""
    ran = trials[trials["host"].notna() & trials["cached_from"].isna()]
    if ran.empty:
        return None
    seconds = ran["seconds.total"] if "seconds.total" in ran else pd.Series(0.0, ran.index)
    device = ran["device"].fillna(numerals.MISSING)
    where = seconds.fillna(0.0).groupby([ran["host"], device]).agg(["size", "sum"])
    where = where.sort_values("size", ascending=False, kind="stable")
    rows = [
        (*names, str(row["size"]), f"{row['sum'] / 3600:.2f}")
        for names, row in where.head(MOST_RUNS).astype({"size": int}).astype(object).iterrows()
    ]
    cached = int(trials["cached_from"].notna().sum())
    caption = "Where replicates ran, and the sum of their hours."
    if cached:
        caption += f" {numerals.count(cached, 'further replicate')} took a result that was known."
    if len(where) > MOST_RUNS:
        caption += f" {len(where) - MOST_RUNS} further machines are not shown."
    headings = ("Host", "Device", "Replicates", "Hours")
    return plain_grid("machines", "Machines", headings, rows, caption, headings[2:])


def versions_table(runs: Sequence[Mapping[str, Any]]) -> Grid | None:
    """Return the versions that the runs of a study used."""
    versions: dict[str, list[str]] = {}
    for run in runs:
        for name, value in run["provenance"].items():
            values = versions.setdefault(name, [])
            if value is not None and str(value) not in values:
                values.append(str(value))
    rows = [(name, ", then ".join(values)) for name, values in versions.items() if values]
    caption = "Versions in the driver."
    return plain_grid("versions", "Versions", ("What", "Version"), rows, caption) if rows else None


def runs_table(runs: Sequence[Mapping[str, Any]]) -> Grid | None:
    """Return the runs of a study, the latest last; ``None`` where none is recorded."""
    rows = [
        (_moment(run["started_at"]), _moment(run["ended_at"]), run["host"], run["command"])
        for run in runs[-MOST_RUNS:]
    ]
    hidden = len(runs) - MOST_RUNS
    caption = "Runs of the study; one without an end is at work, or was killed."
    caption += f" The first {hidden} are not shown." if hidden > 0 else ""
    headings = ("Start (UTC)", "End (UTC)", "Host", "Command")
    return plain_grid("runs", "Runs", headings, rows, caption) if rows else None


def _moment(when: datetime | None) -> str:
    return numerals.MISSING if when is None else f"{when:%Y-%m-%d %H:%M}"
