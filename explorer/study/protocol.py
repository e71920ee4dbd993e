"""Protocols: how a trial is run and scored."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from statistics import mode
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializationInfo,
    ValidationError,
    field_serializer,
    model_validator,
)

from explorer import files
from explorer.study.reading import ONE_OR_SEVERAL, File, override, validate
from explorer.training.recipe import FineTune, Model, Pretrain, Task, added


class Dataset(File):
    """The proxy dataset that a trial renders and pre-trains on."""

    categories: int = Field(ge=2, le=1_000_000, description="classes, each one parameter draw")
    instances: int = Field(ge=1, le=1_000_000, description="images per category")
    canvas: int = Field(
        ge=16, le=4096, description="pixels of the side that the formula is drawn on"
    )
    images: Path | None = Field(
        default=None, description="pre-train on the images of this folder, one folder per class"
    )

    @model_validator(mode="before")
    @classmethod
    def _a_folder_says_how_many(cls, value: Any) -> Any:
        """Where images of a folder are wanted, take all of its classes, and of each as many."""
        if not isinstance(value, Mapping) or not isinstance(value.get("images"), str):
            return value
        value = {"canvas": 512, **value}  # on which nothing is drawn
        if {"categories", "instances"} <= set(value):
            return value
        counts = count_images(Path(value["images"]))
        if not counts:
            raise ValueError(f"images: {value['images']}: no folder with one per class in it")
        categories = value.setdefault("categories", len(counts))
        if isinstance(categories, int):
            value.setdefault("instances", min(sorted(counts.values())[-categories:]))
        return value

    def lack(self) -> str | None:
        """Say what the folder of images lacks, or return ``None``."""
        if self.images is None:
            return None
        enough = sum(n >= self.instances for n in count_images(self.images).values())
        if enough >= self.categories:
            return None
        wanted = f"{self.categories} of {self.instances} (dataset.categories, dataset.instances)"
        return f"has {enough} classes of so many images; wanted are {wanted}"


def count_images(folder: Path) -> dict[str, int]:
    """Return how many images each class of a folder has; empty where there is none."""
    from explorer.images import class_files

    try:
        if not folder.is_dir():
            return {}
    except OSError:  # no name that a folder can have
        return {}
    return {name: len(files) for name, files in class_files(folder).items() if files}


class Resources(File):
    """What one trial holds while it runs."""

    cpus: float = Field(default=1, gt=0, le=1024)
    gpus: float = Field(default=0, ge=0, le=64, description="a fraction shares one GPU")

    @model_validator(mode="after")
    def _gpus_are_whole_or_shared(self) -> Self:
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise ValueError(f"gpus: {self.gpus:g}: above 1 a whole number; below, a share of one")
        return self

    @property
    def threads(self) -> int:
        """Threads that compute, and as many that draw or decode images."""
        return max(1, int(self.cpus))


class Scratch(File):
    """What gives an arm that is not pre-trained its best chance; the rest is as for all arms.

    The weights that suit pre-training best need not suit random weights best, and neither does the
    fine-tuning. A gain over a baseline that was held back is no gain.
    """

    initialisation: Literal["timm", "fan_in"] | None = Field(
        default=None, description="of the random weights, in place of model.initialisation"
    )
    epochs: int | None = Field(default=None, ge=1, description="in place of finetune.epochs")
    learning_rate: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="in place of finetune.learning_rate"
    )


class Protocol(File):
    """How a trial is run and scored: dataset size, model, training and downstream task."""

    description: str = ""
    expect: str = Field(
        default="", description="seconds per trial, as '36 to 54 s', and the accuracy to expect"
    )
    replicate_std: float | None = Field(
        default=None,
        gt=0,
        le=100,
        description="standard deviation of a replicate's accuracy as measured, in points",
        exclude_if=lambda value: value is None,
    )
    dataset: Dataset
    model: Model
    pretrain: Pretrain
    finetune: FineTune
    downstream: Annotated[tuple[Task, ...], Field(min_length=1), ONE_OR_SEVERAL]
    """The tasks that it is fine-tuned on, each by itself; the score is their mean accuracy."""
    scratch: Scratch = added(Scratch())
    resources: Resources = Resources()
    train: bool = Field(
        default=True, description="false: images are drawn and measured, and nothing is trained"
    )

    @field_serializer("downstream")
    def _one_task_is_no_list(self, tasks: tuple[Task, ...], info: SerializationInfo) -> Any:
        dumped = [t.model_dump(mode="json", exclude_unset=info.exclude_unset) for t in tasks]
        return dumped[0] if len(dumped) == 1 else dumped

    @model_validator(mode="after")
    def _parts_go_together(self) -> Self:
        titles = [task.title for task in self.downstream]
        if len(set(titles)) < len(titles):
            raise ValueError(f"downstream has two tasks named {mode(titles)}; drop one")
        size, patch = self.finetune.image_size, self.model.patch_size
        if size is not None and size % patch:
            raise ValueError(
                f"finetune.image_size {size} is no multiple of model.patch_size {patch}"
            )
        if self.dataset.images is not None and self.pretrain.instances == "fresh":
            raise ValueError("pretrain.instances: a folder of images has no fresh ones; remove it")
        if self.dataset.images is None and self.dataset.canvas < self.model.image_size:
            raise ValueError(
                f"dataset.canvas ({self.dataset.canvas}) is smaller than model.image_size "
                f"({self.model.image_size}); images are only ever reduced"
            )
        return self

    @property
    def from_scratch(self) -> Self:
        """The protocol of an arm that is not pre-trained."""
        if self.model.weights is not None:  # published ones, which are fine-tuned as ours are
            return self.model_copy(update={"scratch": Scratch()})
        own = self.scratch.model_dump(exclude_none=True)
        start = {name: own.pop(name) for name in ("initialisation",) if name in own}
        return self.model_copy(
            update={
                "model": self.model.model_copy(update=start),
                "finetune": self.finetune.model_copy(update=own),
                "scratch": Scratch(),
            }
        )

    @property
    def pretraining_images(self) -> int:
        """Images that a pre-training sees, repeats counted."""
        return self.dataset.categories * self.dataset.instances * self.pretrain.epochs

    @property
    def expected_seconds(self) -> float | None:
        """Seconds per trial as ``expect`` states them (the middle of a range), if it does.

        They are those of a trial that trains; of one that does not, nothing is stated.
        """
        if not self.train:
            return None
        stated = re.search(r"(\d+(?:\.\d+)?)(?: to (\d+(?:\.\d+)?))? s\b", self.expect)
        if stated is None:
            return None
        return (float(stated[1]) + float(stated[2] or stated[1])) / 2

    def digest(self, *, pretrained: bool | None = None) -> str:
        """Return a hash of all that can change a score (not the prose, not the resources).

        Args:
            pretrained: Of trials that are pre-trained, or of those that are not: what only the
                others take is left out. Of both where it is ``None``.
        """
        left_out = {"description", "expect", "replicate_std", "resources", "train"}
        if not self.train:
            left_out |= {"scratch", "pretrain", "finetune", "downstream"}
        if pretrained is not None:
            left_out |= {"scratch"} if pretrained else {"scratch", "dataset", "pretrain"}
        followed = self.from_scratch if pretrained is False else self
        content = followed.model_dump(mode="json", exclude=left_out)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def load_protocol(name: str, *, source: str | Path = "protocol") -> Protocol:
    """Read a protocol by name or file.

    Raises:
        InputError: If it is missing or wrong.
    """
    key = "protocol" if isinstance(source, Path) else None
    path = files.find("protocols", name, source=source, key=key)
    return validate(Protocol, files.read(path), path)


def protocol_digest(definition: Mapping[str, Any]) -> str:
    """Return the digest of a protocol as a study's definition in a database holds it.

    It is computed anew: entries that a later version has added count with their defaults.
    """
    content = {key: value for key, value in definition.items() if key not in {"name", "digest"}}
    try:
        return Protocol.model_validate(content).digest()
    except ValidationError:
        return str(definition.get("digest"))  # of a version whose entries this one does not know


Part = Literal["dataset", "model", "pretrain", "finetune", "downstream", "scratch"]
"""A part of a protocol that an arm may change."""


def changed(
    protocol: Protocol, changes: Mapping[Any, Any], source: str | Path, key: str = ""
) -> Protocol:
    """Return a protocol with some entries replaced, as :func:`override` does.

    Raises:
        InputError: If the outcome is no protocol; ``source`` and ``key`` say where it stands.
    """
    content = override(protocol.model_dump(mode="json", exclude_unset=True), changes)
    return validate(Protocol, content, source, key)
