"""What a Compose file says, as Docker would read it: anchors resolved, variables put in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]

# $$, or ${NAME}, ${NAME:-default} and ${NAME:?message} of the Compose Specification.
_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::([-?])([^}]*))?\})")


class MissingVariableError(Exception):
    """A variable that has to be set is not, or is empty."""


def read(name: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Read a Compose file of the repository."""
    return _put_in(YAML(typ="safe", pure=True).load(ROOT / name), environment)


def _put_in(node: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _put_in(value, environment) for key, value in node.items()}
    if isinstance(node, list):
        return [_put_in(value, environment) for value in node]
    if not isinstance(node, str):
        return node

    def value(found: re.Match[str]) -> str:
        dollar, variable, kind, rest = found.groups()
        if dollar:
            return "$"
        said = environment.get(variable, "")
        if said or kind is None:
            return said
        if kind == "?":
            raise MissingVariableError(rest)
        return rest

    return _VARIABLE.sub(value, node)
