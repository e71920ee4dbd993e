"""The page of a study as text, by the templates beside this file."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import optuna
from optuna.storages import BaseStorage

from explorer.report.numerals import EN_DASH, MINUS
from explorer.report.page.content import Content, content
from explorer.report.summary import StudyReport

_NO_BREAK, _JOINER = "\N{NO-BREAK SPACE}", "\N{WORD JOINER}"


def html(
    study: optuna.Study | str,
    storage: BaseStorage | None = None,
    report: StudyReport | None = None,
) -> str:
    """Return the page of a study: HTML that shows all it has found and loads nothing.

    The same study gives the same text.

    Args:
        study: An Optuna study, or its name in ``storage``.
        storage: Where a study given by its name is.
        report: What it has found, where that is to be tested or arranged otherwise than
            :func:`explorer.report.summarise` does by itself.

    Raises:
        InputError: As :func:`explorer.report.summarise` does.
    """
    return lay_out(content(study, storage, report))


def lay_out(said: Content) -> str:
    """Return a page as text.

    Whatever a user has written is escaped, also inside scripts; and a policy in the page allows
    only its own scripts to run, and nothing to be loaded. These may evaluate text, since plotly.js
    compiles what it draws parallel coordinates with.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from explorer.report.figures import data_url

    environment = Environment(
        loader=PackageLoader("explorer.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"set": _set, "breakable": _breakable, "rem": _rem, "data_url": data_url}
    own = {name: _own(environment, name) for name in ("page.css", "page.js")}
    scripts = [*([_plotly()] if said.figures else []), own["page.js"]]
    return environment.get_template("page.html.j2").render(
        page=said,
        sections=list(_sections(said)),
        style=Markup(own["page.css"]),  # noqa: S704 - a file of this package
        scripts=[Markup(script) for script in scripts],  # noqa: S704
        script_hashes=[Markup(f"'{_hash(script)}'") for script in scripts],  # noqa: S704
        figures_json=Markup(_data(said)),  # noqa: S704
    )


def _set(text: str) -> str:
    """Keep a number in one line with its sign, its unit and the word that it belongs to."""
    kept = re.sub(rf" (?=[\d=<±%+{MINUS}])|(?<=[=<±]) ", _NO_BREAK, text)
    return re.sub(rf"(?<=\d){EN_DASH}(?=\d)", f"{_JOINER}{EN_DASH}{_JOINER}", kept)


def _breakable(name: str) -> Any:
    """Let a name be broken where its words end."""
    from markupsafe import Markup, escape

    return Markup(re.sub("([_@.+-])", r"\1<wbr>", str(escape(name))))  # noqa: S704 - escaped


def _rem(figure: Any) -> int:
    """Return the width that a figure cannot do without, 0 for none: each axis needs its room.

    Panels need none, since on a narrow page they stand one below the other.
    """
    if any(trace.type == "parcoords" for trace in figure.data):
        return 16 * -(-len(figure.data[0].dimensions) // 3)
    return 0


def _sections(said: Content) -> Iterator[str]:
    yield from ("Summary", "Results")
    for name, there in (
        ("Figures", said.figures),
        ("Images", said.sheets),
        ("Analyses", said.analyses),
        ("Failures", True),
        ("Protocol", said.asked),
    ):
        if there:
            yield name
    yield from ("Provenance", "Reproduce")


def _own(environment: Any, name: str) -> str:
    source, _, _ = environment.loader.get_source(environment, name)
    return str(source)


def _plotly() -> str:
    """Return the source of plotly.js, 4.8 MB; plotly's package has no smaller bundle."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _data(said: Content) -> str:
    """Return the figures as JSON that can stand inside a script element."""
    from explorer.report.figures import stacked, template

    figures = {}
    templates: dict[str, Any] = {}
    for name, one in said.figures.items():
        # Six digits are more than a screen has, and half as long as all.
        whole = json.loads(
            one.figure.to_json(engine="json"), parse_float=lambda text: float(f"{float(text):.6g}")
        )
        whole["layout"].pop("template", None)
        narrow = stacked(one.figure)
        figures[name] = {"data": whole["data"], "layout": whole["layout"], "narrow": narrow}
    if figures:
        for scheme in ("light", "dark"):
            templates[scheme] = template(dark=scheme == "dark").to_plotly_json()
    text = json.dumps({"templates": templates, "figures": figures}, allow_nan=False)
    # Inside a script element nothing but "<" ends it or opens a comment.
    return text.replace("<", "\\u003c")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
