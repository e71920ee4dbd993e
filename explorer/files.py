"""Finding and reading the YAML files that a study is made of.

A name is looked up in the working directory first, then among the files that came with the
package: ``frequency_range`` means ``./studies/frequency_range.yaml`` where that exists. A path
(anything with a slash or a ``.yaml`` ending) is taken as it is.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from explorer.errors import InputError, nearest

Kind = Literal["studies", "search_spaces", "protocols"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
"""What studies, protocols and arms may be called: other files are named after them."""

_SINGULAR = {"studies": "study", "search_spaces": "search space", "protocols": "protocol"}


def find(kind: Kind, name: str, *, source: str | Path, key: str | None = None) -> Path:
    """Return the file that a name or a path stands for.

    Args:
        kind: The folder that such files live in.
        name: A bare name (``frequency_range``) or a path (``mine/ablation.yaml``).
        source: What named it, for the error line; a path is relative to it where it is a file.
        key: The entry that named it, for the error line.

    Raises:
        InputError: If there is no such file.
    """
    if is_path(name):
        beside = source.parent if isinstance(source, Path) else Path()
        path = beside / name
        if not path.is_file():
            raise InputError(source, key, name, f"no such {_SINGULAR[kind]} file")
        if not NAME.fullmatch(path.stem):
            remedy = (
                "a file is named by letters, digits, _ . + - and begins with one of the first two"
            )
            raise InputError(source, key, name, remedy)
        return path
    known = dict(available(kind))
    if name not in known:
        hint = nearest(name, known)
        raise InputError(source, key, name, f"no {_SINGULAR[kind]} of this name; {hint}")
    return known[name]


def is_path(name: str) -> bool:
    """Say whether something stands for a file by its path, and not by its name."""
    return name.endswith((".yaml", ".yml")) or "/" in name


def available(kind: Kind) -> Iterator[tuple[str, Path]]:
    """Yield the name and file of everything of a kind, by name; nearer folders win."""
    seen: dict[str, Path] = {}
    for folder in _folders(kind):
        for path in sorted(folder.glob("*.yaml")):
            if NAME.fullmatch(path.stem):
                seen.setdefault(path.stem, path)
    yield from sorted(seen.items())


def read(path: Path) -> dict[str, Any]:
    """Read one YAML file (YAML 1.2, safe: plain data only) whose top level is a mapping.

    Raises:
        InputError: If it cannot be read, is no YAML, repeats a key, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(path, None, None, f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(path, None, None, "is not UTF-8 text") from error
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except DuplicateKeyError as error:
        place = _place(error)
        what = str(error.problem).removeprefix("found ").split(" with value")[0]
        raise InputError(path, place, None, f"{what}; every key may stand once") from error
    except MarkedYAMLError as error:
        place = _place(error)
        raise InputError(path, place, None, f"is not valid YAML: {error.problem}") from error
    except YAMLError as error:
        raise InputError(path, None, None, f"is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        what = "is empty" if content is None else f"holds a {type(content).__name__}"
        raise InputError(path, None, None, f"{what}; a mapping of keys to values is needed")
    return content


def _place(error: MarkedYAMLError) -> str | None:
    mark = error.problem_mark or error.context_mark
    return None if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"


def _folders(kind: Kind) -> list[Path]:
    package = Path(__file__).parent
    # A wheel carries the files in explorer/library; in a checkout they stand beside the package.
    return [Path(kind), package / "library" / kind, package.parent / kind]
