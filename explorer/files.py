"""Finding and reading the YAML files that a study is made of, and writing whatever is written.

A name is looked up in the working directory first, then among the files that came with the
package: ``frequency_range`` means ``./studies/frequency_range.yaml`` where that exists. A path
(anything with a slash or a ``.yaml`` ending) is taken as it is.
"""

import errno
import os
import re
import secrets
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from explorer.errors import InputError, OutageError, nearest

Kind = Literal["studies", "search_spaces", "protocols"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
"""What studies, protocols and arms may be called: other files are named after them."""

_LARGEST = 2**20  # bytes of a YAML file
_MOST_VALUES = 50_000  # of a YAML file, aliases written out
_DEEPEST = 20  # levels of a YAML file


def find(
    kind: Kind,
    name: str,
    *,
    source: str | Path,
    key: str | None = None,
    others: Collection[str] = (),
) -> Path:
    """Return the file that a name or a path stands for.

    Args:
        kind: The folder that such files live in.
        name: A bare name (``frequency_range``) or a path (``mine/ablation.yaml``).
        source: What named it, for the error line; a path is relative to it where it is a file.
        key: The entry that named it, for the error line.
        others: Names that would be right as well, for the suggestion.

    Raises:
        InputError: If there is no such file.
    """
    what = kind.replace("studies", "study").removesuffix("s").replace("_", " ")
    if not is_path(name):
        known = dict(available(kind))
        if name not in known:
            hint = nearest(name, {*known, *others})
            remedy = f"no {what} of this name; {hint} in the folder {kind} here and in explorer"
            raise InputError(source, key, name, remedy)
        return known[name]
    path = (source.parent if isinstance(source, Path) else Path()) / name
    try:
        there = path.is_file()
    except (OSError, ValueError):  # too long, or no name at all
        there = False
    if not there:
        raise InputError(source, key, name, f"no such {what} file")
    if not NAME.fullmatch(path.stem):
        remedy = "a file is named by letters, digits, _ . + - and begins with one of the first two"
        raise InputError(source, key, name, remedy)
    return path


def is_path(name: str) -> bool:
    """Say whether something stands for a file by its path, and not by its name."""
    return name.endswith((".yaml", ".yml")) or "/" in name


def available(kind: Kind) -> Iterator[tuple[str, Path]]:
    """Yield the name and file of everything of a kind, by name; nearer folders win."""
    package = Path(__file__).parent
    # A wheel carries the files in explorer/library; in a checkout they stand beside the package.
    nearer: dict[str, Path] = {}
    for folder in (Path(kind), package / "library" / kind, package.parent / kind):
        # Studies of one kind may stand in a folder of their own: studies/published.
        for path in sorted([*folder.glob("*.yaml"), *folder.glob("*/*.yaml")]):
            if NAME.fullmatch(path.stem):
                nearer.setdefault(path.stem, path)
    yield from sorted(nearer.items())


def read(path: Path) -> dict[str, Any]:
    """Read one YAML file (YAML 1.2, safe: plain data only) whose top level is a mapping.

    Returns:
        Mappings with text as keys, lists, text, numbers, truth values and null; no date.

    Raises:
        InputError: If it cannot be read, is no YAML, repeats a key, or holds something else.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(path, None, None, f"cannot be read ({error.strerror})") from error
    if len(content) > _LARGEST:
        raise InputError(path, None, None, "has more than 1 MiB; it is no file of a study")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, None, None, "is not UTF-8 text") from error
    return parse(text, path)


def parse(text: str, source: str | Path) -> dict[str, Any]:
    """Read a YAML text as :func:`read` does.

    Raises:
        InputError: As for :func:`read`.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import SafeConstructor

    class Plain(SafeConstructor):
        """Dates stay text, for no entry is one."""

    Plain.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = Plain
    try:
        content = yaml.load(text)
    except RecursionError as error:
        raise InputError(source, None, None, "is nested too deeply") from error
    except Exception as error:  # YAMLError, or whatever becomes of what no YAML may hold
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = getattr(mark or getattr(yaml, "reader", None), "line", 0) + 1
        place = f"line {line}, column {mark.column + 1}" if mark else f"line {line}"
        # Of a repeated key the library goes on to say what its two values are.
        problem = str(getattr(error, "problem", None) or error).split(" with value")[0]
        raise InputError(source, place, None, f"is not valid YAML: {problem}") from error
    if not isinstance(content, dict):
        problem = "is empty" if content is None else "is no mapping"
        remedy = f"{problem}; a mapping of keys to values is needed"
        raise InputError(source, None, None, remedy)
    for count, (key, problem) in enumerate(_examine(content)):
        if problem:
            raise InputError(source, key, None, problem)
        if count > _MOST_VALUES:
            raise InputError(source, None, None, f"holds more than {_MOST_VALUES:,} values")
    return content


def _examine(content: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the place of every value, keys too, and what is wrong with it."""
    deep = f"is nested more than {_DEEPEST} levels deep"
    yield key, _problem(content) if depth <= _DEEPEST else deep
    entries = content.items() if isinstance(content, dict) else ()
    for name, value in enumerate(content) if isinstance(content, list) else entries:
        place = f"{key}.{name}".lstrip(".")
        if isinstance(content, dict):
            right = isinstance(name, str)
            yield place, _problem(name) if right else "a key is text; write it in quotes"
        yield from _examine(value, place, depth + 1)


def _problem(value: Any) -> str:
    """Say what is wrong with a value of a file; empty where nothing is."""
    if isinstance(value, str):
        if "\0" in value:
            return "holds a NUL character"
        if any("\ud800" <= character <= "\udfff" for character in value):
            return "holds half of a surrogate pair, which is no character"
    elif isinstance(value, int) and abs(value) >= 2**63:
        return "is a number beyond all bounds"
    elif value is not None and not isinstance(value, dict | list | bool | int | float):
        return f"is a {type(value).__name__}; write text, numbers, lists and mappings"
    return ""


def plain_name(name: str) -> str:
    """Return a name that may come from anywhere as one that stays in its folder.

    Letters, digits and ``_ . + = @ , -`` stay, all else becomes ``_``; it has at most 200 bytes.
    """
    plain = re.sub(r"[^\w.+=@,-]", "_", name).lstrip(".-") or "_"
    return plain.encode(errors="replace")[:200].decode(errors="ignore")


def weights_of(study: str, arm: str, replicate: int) -> Path:
    """Return the folder, below a working directory, of the weights that a replicate leaves."""
    return Path(".explorer", "weights", plain_name(study), plain_name(f"{arm}-{replicate}"))


def ending(path: Path, known: Iterable[str], source: str) -> str:
    """Return the ending of a file that ``source`` wants written: it says the format.

    Raises:
        InputError: If it is none of those that are known, as ``".csv"``.
    """
    suffix = path.suffix.lower()
    if suffix not in known:
        *others, last = known
        right = f"{', '.join(others)} or {last}" if others else last
        raise InputError(source, None, str(path), f"end its name in {right}, which says its format")
    return suffix


@contextmanager
def replacing(path: Path, option: str | None = None) -> Iterator[Path]:
    """Yield a path to write to, whose content then becomes that of a file; see :func:`write`."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        temporary = Path(folder) / f"new{path.suffix}"
        yield temporary
        write(path, temporary.read_bytes(), option)


def write(path: Path, content: str | bytes, option: str | None = None) -> Path:
    """Write a file, all of it or nothing.

    It is written beside its name and renamed, so that readers see the old one or the new one. A
    symbolic link is followed; a device or a pipe is written straight. Folders on the way are made,
    but not at the root of a file system.

    Args:
        path: The file.
        content: Text (as UTF-8) or bytes.
        option: What named the file, for the error line.

    Returns:
        The path as it was given.

    Raises:
        InputError: If there can be no such file.
        OutageError: If the device is full or gone.
    """
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    source, value = (option, str(path)) if option else (path, None)
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(data)
            return path
        target = _target(path)
        temporary = target.parent / f".{secrets.token_hex(8)}"
        try:
            with temporary.open("xb") as file:
                if target.is_file():
                    temporary.chmod(target.stat().st_mode & 0o777)
                file.write(data)
            temporary.replace(target)
        finally:
            with suppress(OSError):
                temporary.unlink()
    except (OSError, ValueError) as error:
        reason = f"cannot be written ({getattr(error, 'strerror', None) or error})"
        if getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT, errno.EIO}:
            raise OutageError(f"{path}: {reason}") from error
        raise InputError(source, None, value, reason) from error
    return path


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, but none at the root of a file system.

    Raises:
        InputError: If that is where one would have to be made.
        OSError: If one cannot be made.
    """
    real = Path(os.path.realpath(folder))
    missing = [each for each in (real, *real.parents) if not each.exists()]
    if missing and missing[-1].parent == Path(real.anchor):
        raise InputError(folder, None, None, f"there is no folder {missing[-1]}; make it first")
    folder.mkdir(parents=True, exist_ok=True)


def _target(path: Path) -> Path:
    """Return the file that a name stands for, a link followed; its folder is made."""
    target = Path(os.path.realpath(path))
    make_folder(target.parent)
    return target
