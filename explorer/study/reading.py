"""YAML files into models: what is wrong with one is a line that names file, key and remedy."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from explorer import files
from explorer.errors import InputError, nearest

Range = tuple[float, float]


class File(BaseModel):
    """Base of all that files hold: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_Model = TypeVar("_Model", bound=BaseModel)


def parse(model: type[_Model], path: Path) -> _Model:
    """Read a YAML file as a model.

    Raises:
        InputError: If it cannot be read, or the first thing that is wrong in it.
    """
    content = files.read(path)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise first_error(error, model, path, content) from error


def first_error(
    error: ValidationError, model: type[BaseModel], path: Path, content: Any, prefix: str = ""
) -> InputError:
    """Say the first thing that is wrong in some content, at its place in the file.

    Args:
        error: What pydantic found.
        model: What the content should be.
        path: The file.
        content: What was validated.
        prefix: The key under which the content stands in the file.
    """
    # A misspelt key is also a missing one; the misspelling says more.
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    location = _as_written([part for part in first["loc"] if part != "[key]"], content)
    key = ".".join(str(part) for part in ([prefix] if prefix else []) + location)
    value = first["input"]
    message = first["msg"].removeprefix("Value error, ")
    kind = first["type"]
    if kind == "extra_forbidden":
        hint = nearest(str(location[-1]), _fields_at(model, location[:-1]))
        return InputError(path, key, value, f"unknown key; {hint}")
    if kind == "missing":
        return InputError(path, key, None, "is missing")
    if kind == "literal_error":
        choices = str(first["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
        hint = nearest(str(value), choices.split(", "))
        return InputError(path, key, value, f"unknown; {hint}")
    if kind == "string_pattern_mismatch":
        message = "a name has letters, digits, _ . + - only and begins with a letter or digit"
    if kind == "value_error":
        # A check over several entries: the message itself names them.
        return InputError(path, key or None, None, message)
    return InputError(path, key, value, message[0].lower() + message[1:])


def _as_written(location: list[Any], content: Any) -> list[Any]:
    """Leave out the index of an entry that the file does not write as a list."""
    written = []
    for part in location:
        if isinstance(part, int) and not isinstance(content, list):
            continue
        written.append(part)
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            content = None
    return written


def _fields_at(model: type[BaseModel], location: list[Any]) -> list[str]:
    """List the keys that are valid at a place inside a model."""
    fields: list[str] = list(model.model_fields)
    current: Any = model
    for part in location:
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            break
        field = current.model_fields.get(str(part))
        if field is None:
            break
        inner = getattr(field.annotation, "__args__", ())
        candidates = [field.annotation, *inner]
        models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not models:
            break
        current = models[0]
        fields = list(current.model_fields)
    return fields


def plain(value: Range) -> list[float]:
    """Return a range as it is written: whole numbers without a decimal point."""
    return [int(end) if float(end).is_integer() else end for end in value]
