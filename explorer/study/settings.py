"""What the command line changes of a study for one run: ``--set pretrain.epochs=3``."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explorer import files
from explorer.errors import InputError, nearest, refuse
from explorer.study.protocol import CHANGEABLE
from explorer.study.study import StudyFile

_SOURCE = "--set"
_OF_PROTOCOL = (*CHANGEABLE, "resources")
_OF_STUDY = tuple(name for name in StudyFile.model_fields if name != "protocol")
# More of the same trials, or the same trials otherwise run: the study stays what it is.
_SAME_STUDY = ("description", "replicates", "sampler.samples", "resources")


@dataclass(frozen=True)
class Settings:
    """Entries that replace those of the files.

    Attributes:
        study: Changes to the study's file, nested as it is.
        protocol: Changes to its protocols, likewise.
        suffix: What is appended to the study's name, as ``+pretrain.epochs=3``; empty where it
            stays the same study.
        protocol_suffix: The part of it that is of the protocol.
    """

    study: Mapping[str, Any]
    protocol: Mapping[str, Any]
    suffix: str
    protocol_suffix: str


def read_settings(
    texts: Sequence[str],
    *,
    replicates: int | None = None,
    samples: int | None = None,
    seed: int | None = None,
) -> Settings:
    """Read what is to be changed, as the command line says it.

    Args:
        texts: One ``KEY=VALUE`` each, the key dotted, the value as YAML; the last of a key counts.
        replicates: As ``replicates=N``.
        samples: As ``sampler.samples=N``.
        seed: As ``seed=N``.

    Raises:
        InputError: If one is no such thing, or its key begins with no part of a study or protocol.
    """
    short = {"replicates": replicates, "sampler.samples": samples, "seed": seed}
    texts = [*texts, *(f"{key}={value}" for key, value in short.items() if value is not None)]
    values: dict[str, Any] = {}
    written: dict[str, str] = {}
    mistakes: list[InputError] = []
    for text in texts:
        key, equals, value = text.partition("=")
        part = key.split(".")[0]
        if not equals or not all(key.split(".")):
            remedy = "write KEY=VALUE, as pretrain.epochs=3"
            mistakes.append(InputError(_SOURCE, None, text, remedy))
        elif part not in {*_OF_STUDY, *_OF_PROTOCOL}:
            remedy = (
                f"no part of a study or a protocol; {nearest(part, (*_OF_STUDY, *_OF_PROTOCOL))}"
            )
            mistakes.append(InputError(_SOURCE, key, None, remedy))
        else:
            try:
                values[key] = files.parse(f"value: {value}", _SOURCE)["value"]
                written[key] = value
            except InputError:
                mistakes.append(InputError(_SOURCE, key, value, "is not valid YAML"))
    refuse(mistakes)
    trees: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for key, value in values.items():
        tree = trees[key.split(".")[0] not in _OF_STUDY]
        *parts, last = key.split(".")
        for part in parts:
            tree = tree.setdefault(part, {})
            if not isinstance(tree, dict):
                raise InputError(_SOURCE, key, None, f"{part} is set as a whole too; drop one")
        if isinstance(tree.get(last), dict):
            raise InputError(_SOURCE, key, None, "is set in parts too; drop one")
        tree[last] = value
    different = {
        key: value
        for key, value in sorted(written.items())
        if not any(key == same or key.startswith(f"{same}.") for same in _SAME_STUDY)
    }
    of_protocol = {k: v for k, v in different.items() if k.split(".")[0] not in _OF_STUDY}
    return Settings(*trees, _named(different), _named(of_protocol))


def _named(written: Mapping[str, str]) -> str:
    """Return settings as the end of a plain file name, another one for other settings."""
    text = "".join(f"+{key}={value}" for key, value in written.items())
    short = re.sub(r"[\s\[\]{}'\"]", "", text)
    plain = re.sub(r"[^\w.+=,-]", "_", short, flags=re.ASCII)
    if plain == short and len(plain) <= 100:
        return plain
    return f"{plain[:100]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
