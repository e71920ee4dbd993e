"""YAML files into models: what is wrong with one is lines that name file, key and remedy."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from explorer.errors import InputError, nearest, refuse


def parse_range(text: str) -> tuple[float, float]:
    """Read a range as the command line has it: ``0..20``, or ``5`` for 5 to 5.

    Raises:
        ValueError: If it is none.
    """
    low, _, high = text.partition("..")
    return float(low), float(high or low)


def _both_ends(value: Any) -> Any:
    if isinstance(value, str) and ".." in value:
        with suppress(ValueError):
            return parse_range(value)
    ends = value if isinstance(value, list | tuple) else [value, value]
    numbers = [e for e in ends if isinstance(e, int | float) and not isinstance(e, bool)]
    if len(ends) == len(numbers) == 2:
        return tuple(map(float, ends))
    raise ValueError("write two numbers, [low, high], or one for both")


Range = Annotated[tuple[float, float], BeforeValidator(_both_ends)]
"""Low and high end, both inclusive; a file may write one number for both."""


def _tuples(value: Any) -> Any:
    """Return lists as tuples, at any depth: strict types want them behind a validator."""
    if isinstance(value, Mapping):
        return {key: _tuples(entry) for key, entry in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


ONE_OR_SEVERAL = BeforeValidator(
    lambda value: _tuples(value if isinstance(value, list | tuple) else (value,))
)
"""Of a tuple: one entry needs no list."""


class File(BaseModel):
    """Base of all that files hold: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_Model = TypeVar("_Model", bound=BaseModel)


def validate(
    model: type[_Model], content: Mapping[str, Any], source: str | Path, prefix: str = ""
) -> _Model:
    """Return some content of a file as a model.

    Types are strict: ``true`` is no number, ``"1"`` is none either.

    Args:
        model: What it should be.
        content: What the file holds, or a part of it.
        source: The file, for the error lines.
        prefix: The key under which the content stands in the file.

    Raises:
        InputError: What is wrong in it: all of it, a line each.
    """
    try:
        # As JSON, since a strict tuple or path would not be read from a list or a text.
        return model.model_validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as error:
        raised = error
    mistakes = raised.errors(include_url=False)
    unknown = [_key(m["loc"], content) for m in mistakes if m["type"] == "extra_forbidden"]
    lines = []
    for mistake in mistakes:
        place, kind = mistake["loc"], mistake["type"]
        location = _key(place, content)
        # A misspelt key is also a missing one, a wrong entry also one too few: each is said once.
        misspelt = any(key[:-1] == location[:-1] for key in unknown)
        inner = any(m["loc"][: len(place)] == place for m in mistakes if m is not mistake)
        if (kind == "missing" and misspelt) or (kind == "too_short" and inner):
            continue
        key = ".".join([*([prefix] if prefix else []), *map(str, location)])
        lines.append(_line(mistake, model, source, key, location))
    refuse(lines)
    raise raised


_WORDS = {
    "bool_type": "write true or false",
    "finite_number": "write a finite number",
    "int_type": "write a whole number",
    "int_from_float": "write a whole number",
    "float_type": "write a number",
    "missing": "is missing",
    "path_type": "write a path",
    "string_type": "write text; in quotes, if it looks like something else",
    "string_pattern_mismatch": (
        "a name has letters, digits, _ . + - only and begins with a letter or digit"
    ),
    "string_too_long": "has more than {max_length} letters",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_long": "has {actual_length} entries; {max_length} are the most",
    "too_short": "has {actual_length} entries; it needs at least {min_length}",
    "tuple_type": "write a list, [a, b]",
}
"""What pydantic calls a mistake -> what is said of it."""


def _line(
    mistake: Any, model: type[BaseModel], source: str | Path, key: str, location: list[Any]
) -> InputError:
    kind, value, context = mistake["type"], mistake["input"], mistake.get("ctx", {})
    if kind == "extra_forbidden":
        hint = nearest(str(location[-1]), _fields_at(model, location[:-1]))
        return InputError(source, key, value, f"unknown key; {hint}")
    if kind == "literal_error":
        choices = str(context["expected"]).replace("'", "").replace(" or ", ", ")
        return InputError(
            source, key, value, f"unknown; {nearest(str(value), choices.split(', '))}"
        )
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        entries = _fields_at(model, location)
        remedy = f"write a mapping of {', '.join(entries)}" if entries else "write a mapping"
        return InputError(source, key, value, f"{remedy}, {{key: value}}")
    if kind == "value_error":
        message = str(mistake["msg"]).removeprefix("Value error, ")
        # A check over several entries: the message itself names them.
        several = isinstance(value, dict)
        return InputError(source, key or None, None if several else value, message)
    shown = None if kind == "missing" else value
    words = _WORDS.get(kind)
    if words is None:
        message = str(mistake["msg"])
        words = message[0].lower() + message[1:]
        context = {}
    return InputError(source, key, shown, words.format(**context) if context else words)


def _key(location: tuple[Any, ...], content: Any) -> list[Any]:
    """Return the place of a mistake as the file writes it."""
    parts = []
    for part in location:
        if part == "[key]":
            continue
        if isinstance(part, int) and not isinstance(content, list):
            continue  # an entry that the file does not write as a list
        parts.append(part)
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            content = None
    return parts


def _fields_at(model: type[BaseModel], location: list[Any]) -> list[str]:
    """List the keys that are valid at a place inside a model."""
    current: type[BaseModel] | None = model
    for part in location:
        field = current.model_fields.get(str(part)) if current else None
        if field is not None:
            current = next(iter(_models(field.annotation)), None)
        elif not isinstance(part, int):  # the name of an arm
            return []
    return list(current.model_fields) if current else []


def _models(annotation: Any) -> list[type[BaseModel]]:
    """List the models in an annotation: in an option, a list or the values of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models(inner)]


def plain(value: tuple[float, float]) -> list[float]:
    """Return a range as it is written: whole numbers without a decimal point."""
    return [int(end) if float(end).is_integer() else end for end in value]


KINDS: Mapping[str, tuple[str, tuple[str, ...] | None]] = {
    "dataset": ("images", ("categories", "instances", "canvas")),
    "downstream": ("name", None),
    "pretrain": ("optimiser", ("learning_rate", "matrix_learning_rate", "weight_decay")),
    "finetune": ("optimiser", ("learning_rate", "matrix_learning_rate", "weight_decay")),
    "sampler": ("name", ()),
    "pruner": ("name", None),
}
"""Part -> the entry that says of what kind it is, and the entries that mean something else under
another kind (``None``: all)."""


def override(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return some content with some of its entries replaced, mappings entry by entry.

    A part that becomes of another kind (another downstream task, source of images, optimiser or
    pruner) starts from the defaults of that kind: what was there for the old one is left out.
    """
    result = dict(content)
    for name, change in changes.items():
        current = result.get(name)
        kind, entries = KINDS.get(name, ("", ()))
        if isinstance(current, str) and kind:
            current = {kind: current}
        if not (isinstance(change, Mapping) and isinstance(current, Mapping)):
            result[name] = change
            continue
        was = current.get(kind, "adamw" if kind == "optimiser" else None)
        if change.get(kind, was) != was:
            dropped = set(current) if entries is None else set(entries)
            if {change[kind], was} == {"adamw", "muon"}:
                dropped.discard("learning_rate")  # Muon's is beside AdamW's
            current = {k: v for k, v in current.items() if k not in dropped}
        result[name] = override(current, change)
    return result
