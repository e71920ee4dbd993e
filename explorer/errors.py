"""What is said to a user whose input was wrong."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

# Over-masking is harmless: up to the last "@" of a line, whatever the password is made of.
_USER_AND_PASSWORD = re.compile(r"(://[^\s:/]*:)[^\n]*@")
# ?password=, &passwd=, host=... password='...', options=-cpassword%3D...
_NAMED_PASSWORD = re.compile(
    r"((?:passw(?:or)?d|pwd|passphrase|secret|token)\s*(?:=|%3D)\s*)"
    r"('[^'\n]*'?|\"[^\"\n]*\"?|[^&\s]*)",
    re.IGNORECASE,
)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class InputError(Exception):
    """Input that a user can mend, said in one line.

    The command line prints the line and exits with 2; nothing has been written by then.

    Args:
        source: Where it stands: a file, a command-line option or a database URL.
        key: Dotted path of the offending entry, or ``None`` where the whole source is meant.
        value: The offending value, or ``None`` where there is none (a missing file).
        remedy: What would be right, with the nearest valid name where there is one.
    """

    def __init__(
        self, source: str | Path, key: str | None, value: object | None, remedy: str
    ) -> None:
        super().__init__(source, key, value, remedy)  # what pickle makes it of again
        self.source = str(source)
        self.key = key
        self.value = value
        self.remedy = remedy

    def __str__(self) -> str:
        # Each part masked by itself: what follows a URL may have an "@" of its own.
        parts = [masked(self.source), *([self.key] if self.key else [])]
        shown = "" if self.value is None else f"{_short(self.value)}: "
        line = f"{': '.join(parts)}: {shown}{masked(self.remedy)}"
        return visible(" ".join(line.split()))


class InputErrors(InputError):  # noqa: N818  (it is several)
    """All mistakes of a file; its text has a line for each, its attributes are of the first."""

    def __init__(self, errors: Sequence[InputError]) -> None:
        first = errors[0]
        super().__init__(first.source, first.key, first.value, first.remedy)
        self.errors = tuple(errors)
        self.args = (self.errors,)

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))


class Mistakes(list[InputError]):
    """What is wrong. As a context it takes up what its block raises, and the program goes on."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if isinstance(error, InputError):
            self.append(error)
        return isinstance(error, InputError)


def refuse(errors: Iterable[InputError]) -> None:
    """Raise the mistakes that there are, each of them once.

    Raises:
        InputError: If there is one.
        InputErrors: If there are several.
    """
    single = [e for error in errors for e in getattr(error, "errors", (error,))]
    distinct = list({str(error): error for error in single}.values())
    if len(distinct) == 1:
        raise distinct[0]
    if distinct:
        raise InputErrors(distinct)


class OutageError(Exception):
    """What a command needs has gone away while it ran; it says so in one line and exits with 1."""


def masked(text: str) -> str:
    """Return a text that may be shown: the password of a database URL in it is starred out."""
    return _NAMED_PASSWORD.sub(r"\1***", _USER_AND_PASSWORD.sub(r"\1***@", text))


def visible(text: str) -> str:
    """Return a text whose control characters a terminal shows and does not execute.

    Line feeds stay; bidirectional marks and lone surrogates are escaped like the rest.
    """
    return "".join(
        repr(c)[1:-1] if c != "\n" and unicodedata.category(c) in _INVISIBLE else c for c in text
    )


def nearest(name: str, valid: Iterable[str]) -> str:
    """Suggest what was meant: ``did you mean 'x'?``, or the list of what there is.

    The answer is a clause that completes "unknown …;" in an error line.
    """
    choices = sorted(valid)
    close = get_close_matches(name[:100].lower(), choices, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'? (there is {', '.join(choices)})"
    return f"there is {', '.join(choices) if choices else 'none'}"


def written(value: object) -> str:
    """Return a value as a YAML file writes it, in one line; text in quotes."""
    if isinstance(value, str):
        return repr(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {written(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _short(value: object) -> str:
    # Masked before it is cut: half a password has no "@" behind it.
    text = masked(written(value))
    # In the middle: a path says at its end which file it is.
    return text if len(text) <= 80 else f"{text[:38]}...{text[-39:]}"
