"""What there is to choose from, as tables for a terminal."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from explorer import files, formulas, variety
from explorer import study as config
from explorer.errors import InputError

_TITLES: Mapping[files.Kind, str] = {
    "studies": "Studies",
    "search_spaces": "Search spaces",
    "protocols": "Protocols",
}


def screen() -> RenderableType:
    """List the studies, search spaces, protocols and formulas.

    A file or a family of another package that is wrong is listed with what is wrong with it.
    """
    tables: list[RenderableType] = []
    for kind, title in _TITLES.items():
        table = _table(title, "name", "what it is", "file")
        for name, path in files.available(kind):
            table.add_row(Text(name, style="bold"), _description(kind, path), _shown(path))
        tables += [table, ""]
    table = _table("Formulas", "name", "what it is", "source")
    for name in formulas.names():
        table.add_row(Text(name, style="bold"), *map(Text, _formula(name)))
    for error in formulas.collisions():
        table.add_row(Text(error.name, style="bold"), Text(f"broken: {error.remedy}"))
    return Group(*tables, table)


def formula_screen(name: str) -> RenderableType:
    """List the parameters of a formula with their limits and default ranges."""
    formula = formulas.get(name)
    table = _table(
        f"{formula.title}: parameters", "name", "default", "limits", "unit", "what it is"
    )
    for parameter in formula.parameters:
        default, limits = (
            "{:g}..{:g}".format(*ends)
            for ends in (parameter.default, (parameter.low, parameter.high))
        )
        said = f"{parameter.description} ({parameter.symbol})"
        table.add_row(Text(parameter.name, style="bold"), default, limits, parameter.unit, said)
    for group, members in formula.groups.items():
        table.add_row(Text(group, style="bold"), "", "", "", f"sets {' and '.join(members)}")
    return table


def variety_screen(values: Mapping[str, float]) -> RenderableType:
    """List the values of variety measures, with their units."""
    table = _table("Variety", "measure", "value", "unit", "a higher value means")
    for name, value in values.items():
        measure = variety.MEASURES[name]
        table.add_row(Text(name, style="bold"), f"{value:.4g}", measure.unit, measure.higher_means)
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, header_style="dim")
    return table


def _description(kind: files.Kind, path: Path) -> str:
    try:
        if kind == "studies":
            return " ".join(config.load_studies(str(path))[0].file.description.split())
        load = config.load_protocol if kind == "protocols" else config.load_search_space
        return " ".join(load(str(path)).description.split())
    except InputError as error:
        return f"wrong: {error}"


def _formula(name: str) -> tuple[str, ...]:
    try:
        formula = formulas.get(name)
    except formulas.BrokenFormula as error:
        return (f"broken: {error.remedy}",)
    origin = formulas.origin(name)
    return formula.title, f"{formula.source} (from {origin})" if origin else formula.source


def _shown(path: Path) -> str:
    """Show a file of the working directory as a path, one of the package as such."""
    return str(path) if not path.is_absolute() else "(comes with explorer)"
