"""Protocols: how a trial is run and scored."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, field_serializer, field_validator, model_validator

from explorer import files
from explorer.errors import InputError, nearest
from explorer.study.reading import File, first_error, parse
from explorer.training.recipe import FineTune, Model, Pretrain, Task


class Dataset(File):
    """The proxy dataset that a trial renders and pre-trains on."""

    categories: int = Field(ge=2, le=1_000_000, description="classes, each one parameter draw")
    instances: int = Field(ge=1, le=1_000_000, description="images a category")
    canvas: int = Field(
        ge=16, le=4096, description="pixels of the side that the formula is drawn on"
    )
    images: Path | None = Field(
        default=None,
        description="pre-train on the images of this folder (one folder a class), not a formula's",
    )


class Resources(File):
    """What one trial holds while it runs."""

    cpus: float = Field(default=1, gt=0, le=1024)
    gpus: float = Field(default=0, ge=0, le=64, description="a fraction shares one GPU")


class Protocol(File):
    """How a trial is run and scored: dataset size, model, training and downstream task."""

    description: str
    expect: str = Field(default="", description="seconds a trial and the accuracy to expect")
    dataset: Dataset
    model: Model
    pretrain: Pretrain
    finetune: FineTune
    downstream: Annotated[tuple[Task, ...], Field(min_length=1)]
    """The tasks that it is fine-tuned on, each by itself; the score is their mean accuracy."""
    resources: Resources = Resources()

    @field_validator("downstream", mode="before")
    @classmethod
    def _one_task_needs_no_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, Mapping | Task) else value

    @field_serializer("downstream")
    def _one_task_is_no_list(self, tasks: tuple[Task, ...]) -> Any:
        dumped = [task.model_dump(mode="json") for task in tasks]
        return dumped[0] if len(dumped) == 1 else dumped

    @model_validator(mode="after")
    def _tasks_differ(self) -> Self:
        titles = [task.title for task in self.downstream]
        twice = next((title for title in titles if titles.count(title) > 1), None)
        if twice:
            raise ValueError(f"downstream has two tasks named {twice}; drop one")
        return self

    @model_validator(mode="after")
    def _canvas_holds_the_image(self) -> Self:
        if self.dataset.canvas < self.model.image_size:
            message = (
                f"dataset.canvas ({self.dataset.canvas}) is smaller than model.image_size "
                f"({self.model.image_size}); images are only ever reduced"
            )
            raise ValueError(message)
        return self

    @property
    def pretraining_images(self) -> int:
        """Images that a pre-training sees, repeats counted."""
        return self.dataset.categories * self.dataset.instances * self.pretrain.epochs

    def digest(self, *, pretrained: bool = True) -> str:
        """Return a hash of all that can change a score (not the prose, not the resources).

        Args:
            pretrained: Whether the trial is pre-trained; else what only that takes is left out.
        """
        left_out = {"description", "expect", "resources"}
        left_out |= set() if pretrained else {"dataset", "pretrain"}
        content = self.model_dump(mode="json", exclude=left_out)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def load_protocol(name: str, *, source: str | Path = "protocol") -> Protocol:
    """Read a protocol by name or file.

    Raises:
        InputError: If it is missing or wrong.
    """
    key = "protocol" if isinstance(source, Path) else None
    return parse(Protocol, files.find("protocols", name, source=source, key=key))


def protocol_digest(said: Mapping[str, Any]) -> str:
    """Return the digest of a protocol as a study's definition in a database holds it.

    It is computed anew: entries that a later version has added count with their defaults.
    """
    content = {key: value for key, value in said.items() if key not in {"name", "digest"}}
    try:
        return Protocol.model_validate(content).digest()
    except ValidationError:
        return str(said.get("digest"))  # of a version whose entries this one does not know


def changed(
    protocol: Protocol, changes: Mapping[str, Mapping[str, Any]], path: Path, key: str
) -> Protocol:
    """Return a protocol with some entries of its parts replaced."""
    content = protocol.model_dump(mode="json")
    parts = {part for part, entries in content.items() if isinstance(entries, dict)} - {"resources"}
    for part, entries in changes.items():
        if part not in parts:
            remedy = f"no part that an arm can change; {nearest(part, parts)}"
            raise InputError(path, f"{key}.{part}", None, remedy)
        content[part] |= entries
    try:
        return Protocol.model_validate(content)
    except ValidationError as error:
        raise first_error(error, Protocol, path, content, key) from error
