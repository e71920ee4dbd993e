"""What is said to a user whose input was wrong."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

# Over-masking is harmless: up to the last "@" of a line, whatever the password is made of.
_USER_AND_PASSWORD = re.compile(r"(://[^\s:/]*:)[^\n]*@")
_PASSWORD_IN_QUERY = re.compile(r"([?&](?:ssl)?password=)[^&\s]*", re.IGNORECASE)


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
        self.source = str(source)
        self.key = key
        self.value = value
        self.remedy = remedy
        # Each part masked by itself: what follows a URL may have an "@" of its own.
        parts = [masked(self.source)]
        if key:
            parts.append(key)
        said = "" if value is None else f"{_short(value)}: "
        line = f"{': '.join(parts)}: {said}{masked(remedy)}"
        super().__init__(" ".join(line.split()))

    def __reduce__(self) -> tuple[Any, ...]:
        """Come out of another process as it went in; an exception is made from its line else."""
        return type(self), (self.source, self.key, self.value, self.remedy)


class OutageError(Exception):
    """What a command needs has gone away while it ran; it says so in one line and exits with 1."""


def masked(text: str) -> str:
    """Return a text that may be shown: the password of a database URL in it is starred out."""
    return _PASSWORD_IN_QUERY.sub(r"\1***", _USER_AND_PASSWORD.sub(r"\1***@", text))


def nearest(name: str, valid: Iterable[str]) -> str:
    """Suggest what was meant: ``did you mean 'x'?``, or the list of what there is.

    The answer is a clause that completes "unknown …;" in an error line.
    """
    choices = sorted(valid)
    close = get_close_matches(name.lower(), choices, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'? (there is {', '.join(choices)})"
    return f"there is {', '.join(choices) if choices else 'none'}"


def _short(value: object) -> str:
    # Masked before it is cut: half a password has no "@" behind it.
    text = masked(repr(value) if isinstance(value, str) else str(value))
    # In the middle: a path says at its end which file it is.
    return text if len(text) <= 80 else f"{text[:38]}...{text[-39:]}"
