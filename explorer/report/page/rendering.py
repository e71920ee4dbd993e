"""The page of a study as text, by the templates beside this file."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from explorer import store
from explorer.report.figures import Drawing
from explorer.report.layout import UNRESOLVED
from explorer.report.numerals import EN_DASH, MINUS
from explorer.report.page.content import content
from explorer.report.summary import StudyReport

_NO_BREAK, _JOINER = "\N{NO-BREAK SPACE}", "\N{WORD JOINER}"
_PANEL = 13  # rem that a panel of Optuna's needs


def html(database: store.Database, study: str | StudyReport) -> str:
    """Return the page of a study: one self-contained file of HTML.

    The same study gives the same text.

    Args:
        database: Where the study is.
        study: Its name, or what it has found, where that is to be tested or arranged otherwise
            than :func:`explorer.report.summarise` does by itself.

    Raises:
        InputError: As :func:`explorer.report.summarise` does.
    """
    return lay_out(content(database, study))


def lay_out(page: Mapping[str, Any]) -> str:
    """Return a page as text.

    Whatever a user has written is escaped, also inside scripts; and a policy in the page allows
    only its own scripts to run, and nothing to be loaded.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("explorer.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"set": _set, "breakable": _breakable}
    style, script = (_source(environment, name) for name in ("page.css", "page.js"))
    scripts = [*([_plotly()] if page["figures"] else []), script]
    figures = {drawing.name: _drawn(drawing) for drawing in page["figures"]}
    return environment.get_template("page.html.j2").render(
        page=page,
        mark=UNRESOLVED,
        sections=_sections(page),
        figures=figures,
        style=Markup(style),  # noqa: S704 - a file of this package
        scripts=[Markup(script) for script in scripts],  # noqa: S704
        script_hashes=[Markup(f"'{_hash(script)}'") for script in scripts],  # noqa: S704
        figures_json=Markup(_data(figures)),  # noqa: S704
    )


def _set(text: str) -> str:
    """Keep a number in one line with its sign, its unit and the word that it belongs to."""
    kept = re.sub(rf" (?=[\d=<±%+{MINUS}])|(?<=[=<±]) ", _NO_BREAK, text)
    return re.sub(rf"(?<=\d){EN_DASH}(?=\d)", f"{_JOINER}{EN_DASH}{_JOINER}", kept)


def _breakable(name: str) -> Any:
    """Let a name be broken where its words end."""
    from markupsafe import Markup, escape

    return Markup(re.sub("([_@.+-])", r"\1<wbr>", str(escape(name))))  # noqa: S704 - escaped


def _sections(page: Mapping[str, Any]) -> list[str]:
    part = {
        "Figures": "figures",
        "Images": "sheets",
        "Analyses": "analyses",
        "Protocol": "protocol",
    }
    names = ("Summary", "Results", "Figures", "Images", "Analyses", "Failures", "Protocol")
    shown = [name for name in names if name not in part or page[part[name]]]
    return [*shown, "Provenance", "Reproduce"]


def _source(environment: Any, name: str) -> str:
    source, _, _ = environment.loader.get_source(environment, name)
    return str(source)


def _plotly() -> str:
    """Return the source of plotly.js, 4.8 MB; plotly's package has no smaller bundle."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _drawn(drawing: Drawing) -> dict[str, Any]:
    """Return a figure as plain data: plotly's, its layout on a narrow page, and its least width."""
    stacked = drawing.narrow()
    narrow = _plain(stacked)["layout"] if stacked else None
    # What cannot be stacked on a narrow page is scrolled.
    rem = _PANEL * drawing.scrolled
    return {**_plain(drawing.on_page()), "narrow": narrow, "rem": rem}


def _plain(figure: Any) -> dict[str, Any]:
    # Six digits are more than a screen has, and half as long as all.
    plain: dict[str, Any] = json.loads(
        figure.to_json(engine="json"), parse_float=lambda text: float(f"{float(text):.6g}")
    )
    plain["layout"].pop("template", None)
    return plain


def _data(figures: dict[str, Any]) -> str:
    """Return the figures as JSON that can stand inside a script element."""
    from explorer.report.figures.web import template

    schemes = {"light": False, "dark": True}
    templates = {name: template(dark=dark).to_plotly_json() for name, dark in schemes.items()}
    text = json.dumps({"templates": templates, "figures": figures}, allow_nan=False)
    # Inside a script element nothing but "<" ends it or opens a comment.
    return text.replace("<", "\\u003c")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
