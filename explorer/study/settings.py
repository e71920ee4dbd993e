"""What the command line changes of a study for one run: ``--set pretrain.epochs=3``."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from explorer import files
from explorer.errors import InputError, nearest, refuse
from explorer.study.protocol import CHANGEABLE
from explorer.study.study import StudyFile

OF_PROTOCOL = (*CHANGEABLE, "resources")
_OF_STUDY = tuple(name for name in StudyFile.model_fields if name != "protocol")
# More of the same trials, or the same trials otherwise run: the study stays what it is.
_SAME_STUDY = re.compile(r"(description|replicates|sampler\.samples|resources)(\..*)?")


class Settings(NamedTuple):
    """Entries that replace those of the files.

    Attributes:
        study: Changes to the study's file, nested as it is.
        protocol: Changes to its protocols, likewise.
        suffix: The end of the study's name, as ``+pretrain.epochs=3``.
        protocol_suffix: The part of it that is of the protocol.
    """

    study: Mapping[str, Any]
    protocol: Mapping[str, Any]
    suffix: str
    protocol_suffix: str


def read_settings(texts: Sequence[str]) -> Settings:
    """Read what is to be changed: one ``KEY=VALUE`` each, the key dotted, the value as YAML.

    Raises:
        InputError: If one is no such thing, or its key begins with no part of a study or protocol.
    """
    trees: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    written: dict[str, str] = {}
    mistakes: list[InputError] = []
    for text in texts:
        key, equals, value = text.partition("=")
        part, *rest = key.split(".")
        if not equals or not all((part, *rest)):
            remedy = "write KEY=VALUE, as pretrain.epochs=3"
            mistakes.append(InputError("--set", None, text, remedy))
        elif part not in {*_OF_STUDY, *OF_PROTOCOL}:
            remedy = f"no part of a study or a protocol; {nearest(part, _OF_STUDY + OF_PROTOCOL)}"
            mistakes.append(InputError("--set", key, None, remedy))
        else:
            try:
                content = files.parse(f"value: {value}", "--set")["value"]
            except InputError:
                mistakes.append(InputError("--set", key, value, "is not valid YAML"))
                continue
            for name in reversed(rest):
                content = {name: content}
            tree = trees[part in OF_PROTOCOL]
            tree[part] = _merged(tree[part], content) if part in tree else content
            written[key] = value
    refuse(mistakes)
    different = {k: v for k, v in sorted(written.items()) if not _SAME_STUDY.fullmatch(k)}
    of_protocol = {k: v for k, v in different.items() if k.split(".")[0] in OF_PROTOCOL}
    return Settings(*trees, _named(different), _named(of_protocol))


def _merged(earlier: Any, later: Any) -> Any:
    if not (isinstance(earlier, dict) and isinstance(later, dict)):
        return later
    return earlier | {k: _merged(earlier[k], v) if k in earlier else v for k, v in later.items()}


def _named(written: Mapping[str, str]) -> str:
    """Return settings as the end of a plain file name, another one for other settings."""
    text = "".join(f"+{key}={value}" for key, value in written.items())
    short = re.sub(r"[\s\[\]{}'\"]", "", text)
    plain = re.sub(r"[^\w.+=,-]", "_", short, flags=re.ASCII)
    if plain == short and len(plain) <= 100:
        return plain
    return f"{plain[:100]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
