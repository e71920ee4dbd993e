"""What a study was asked for, as tables: its protocol and its search space."""

from collections.abc import Iterator, Mapping
from typing import Any

from explorer.report import numerals
from explorer.report.layout import Cell, Column, Layout

_PROSE = ("name", "digest", "description", "expect")


def lay_out_protocol(protocol: Mapping[str, Any]) -> Layout | None:
    """Arrange a protocol as a table, a row an entry; ``None`` where a study has none."""
    settings = {key: value for key, value in protocol.items() if key not in _PROSE}
    rows = tuple((Cell(key), Cell(value)) for key, value in _flat(settings))
    if not rows:
        return None
    said = " ".join(str(protocol.get("description", "")).split())
    columns = (Column("Entry", text=True), Column("Value", text=True))
    return Layout(columns, rows, len(rows), (f"Protocol {protocol.get('name', '')}: {said}",))


def lay_out_space(definition: Mapping[str, Any]) -> Layout | None:
    """Arrange the search spaces of a study as a table, a row a parameter.

    Args:
        definition: The study's own, as it is in the database.
    """
    spaces = [definition.get("search_space") or {}, *(definition.get("arm_spaces") or {}).values()]
    known = {space.get("formula"): space.get("parameters") or {} for space in reversed(spaces)}
    several = len(known) > 1
    varied = set(definition.get("vary") or ())
    named = {p for ranges in (definition.get("arms") or {}).values() for p in ranges or {}}
    rows = [
        (
            *((Cell(str(formula)),) if several else ()),
            Cell(parameter),
            Cell(_range(bounds.get("default"))),
            Cell(_range(bounds.get("low"))),
            Cell(_range(bounds.get("high"))),
            Cell(_by(parameter in named, parameter in varied)),
        )
        for formula, parameters in reversed(known.items())
        for parameter, bounds in parameters.items()
    ]
    if not rows:
        return None
    headings = [*(["Formula"] if several else []), "Parameter", "Default", "Low end", "High end"]
    columns = tuple(Column(heading, text=True) for heading in [*headings, "Varied by"])
    caption = (
        "Every parameter of the search space: the range that it has where nothing sets it, and how "
        "far the low and the high end of its range may move."
    )
    return Layout(columns, tuple(rows), len(rows), (caption,))


def _flat(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _flat(value, f"{key}.{name}" if key else str(name))
    elif isinstance(content, list | tuple) and any(isinstance(one, Mapping) for one in content):
        for number, value in enumerate(content):
            yield from _flat(value, f"{key}.{number}")
    elif isinstance(content, list | tuple):
        yield key, ", ".join(map(_plain, content)) or "none"
    else:
        yield key, _plain(content)


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _range(ends: Any) -> str:
    if not ends:
        return numerals.MISSING
    return numerals.ranges({"": (float(ends[0]), float(ends[1]))}).strip()


def _by(arms: bool, sampler: bool) -> str:
    both = [word for word, said in (("arms", arms), ("sampler", sampler)) if said]
    return " and ".join(both) or numerals.MISSING
