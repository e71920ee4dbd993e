"""Studies: what is compared, in which search space and under which protocol."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from explorer import files
from explorer.study.protocol import Protocol
from explorer.study.reading import File, Range
from explorer.study.search import ACCURACY, Objective, Pruner, Sampler, Sought, check_objectives
from explorer.study.space import SearchSpace

SCRATCH = "scratch"
"""Name of the arm that is fine-tuned from random initialisation; every study has it."""

_MISSING = re.compile(r"NA|na|NaN|nan|NAN|NULL|null|None")  # to pandas and its like
_OF_A_SAMPLE = re.compile(r"sample-\d+")


def _not_taken(name: str) -> str:
    if name == SCRATCH:
        raise ValueError("this name is taken: every study has the arm that is not pre-trained")
    if _MISSING.fullmatch(name):
        raise ValueError("programs that read tables take this name for a missing value")
    if _OF_A_SAMPLE.fullmatch(name):
        raise ValueError("this name is taken: arms that a sampler proposes are called so")
    return name


Name = Annotated[
    str, StringConstraints(pattern=f"^{files.NAME.pattern}$"), AfterValidator(_not_taken)
]


class Arm(BaseModel):
    """One arm of a study: the ranges that it sets, and what else sets it apart.

    Every entry but those named here is a parameter and its range: ``{frequency: [0, 5]}``.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Range]

    search_space: str | None = Field(
        default=None, description="where its formula is not that of the study: another search space"
    )
    protocol: dict[str, Any] = Field(
        default_factory=dict,
        description="what differs from the study's protocol: {dataset: {categories: 100}}",
    )
    pretrain: bool = Field(default=True, description="false: fine-tune from random weights")

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_the_defaults(cls, value: Any) -> Any:
        return {} if value is None else value

    @property
    def ranges(self) -> dict[str, Range]:
        """The ranges that it sets."""
        return dict(self.__pydantic_extra__)


class StudyFile(File):
    """A study as its file says it."""

    description: str
    search_space: str
    protocol: Annotated[tuple[str, ...], Field(min_length=1)]
    """One, or a ladder of several that the study runs under one after the other."""
    baseline: str = SCRATCH
    replicates: int = Field(default=3, ge=1, le=1000, description="seeds per arm")
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="seed of the first replicate")
    arms: dict[Name, Arm] = Field(default_factory=dict)
    sampler: Sampler | None = None
    vary: tuple[str, ...] = Field(default=(), description="the parameters that a sampler moves")
    objectives: tuple[Sought, ...] = Field(
        default=(Objective(name=ACCURACY),),
        min_length=1,
        max_length=2,
        description="accuracy, and perhaps a variety measure: variety.vendi_features",
    )
    pruner: Pruner = Pruner(name="none")

    @field_validator("protocol", mode="before")
    @classmethod
    def _one_protocol_needs_no_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            return (value,)
        return tuple(value) if isinstance(value, list) else value

    @field_validator("objectives")
    @classmethod
    def _accuracy_comes_first(cls, value: tuple[Objective, ...]) -> tuple[Objective, ...]:
        return check_objectives(value)


@dataclass(frozen=True, eq=False)
class Study:
    """A study with every name looked up.

    Attributes:
        name: Its name in the database.
        path: The file it was read from.
        file: What that file says.
        space: Its search space.
        protocol: The protocol it runs under.
        protocol_name: That protocol's name.
        arm_spaces: The search spaces of the arms that name one of their own.
        arm_protocols: The protocols of the arms that change it.
    """

    name: str
    path: Path
    file: StudyFile
    space: SearchSpace
    protocol: Protocol
    protocol_name: str
    arm_spaces: Mapping[str, SearchSpace]
    arm_protocols: Mapping[str, Protocol]

    @property
    def arms(self) -> dict[str, dict[str, Range] | None]:
        """Every named arm and its ranges; ``None`` for the arm that is not pre-trained."""
        named = {n: arm.ranges if arm.pretrain else None for n, arm in self.file.arms.items()}
        return {SCRATCH: None, **named}

    def space_of(self, arm: str) -> SearchSpace:
        """Return the search space of an arm; sampled ones have the study's."""
        return self.arm_spaces.get(arm, self.space)

    def protocol_of(self, arm: str) -> Protocol:
        """Return the protocol of an arm."""
        return self.arm_protocols.get(arm, self.protocol)

    def draws(self, arm: str) -> bool:
        """Say whether an arm, if it is pre-trained, is so on images of a formula."""
        return self.protocol_of(arm).dataset.images is None

    @property
    def varied(self) -> tuple[str, ...]:
        """The parameters of the study's search space that differ between arms, in its order."""
        shared = (arm for name, arm in self.file.arms.items() if name not in self.arm_spaces)
        named = {p for arm in shared for p in arm.ranges} | set(self.file.vary)
        return tuple(p for p in self.space.parameters if p in named)

    @property
    def planned(self) -> int:
        """The number of replicates of all arms that the study asks for."""
        samples = self.file.sampler.samples if self.file.sampler else 0
        return (len(self.arms) + samples) * self.file.replicates

    def definition(self) -> dict[str, Any]:
        """Return all that a reader of the database needs to know of the study, as plain data."""
        return {
            **self.file.model_dump(mode="json"),
            "name": self.name,
            "arms": {a: r and {p: list(v) for p, v in r.items()} for a, r in self.arms.items()},
            "search_space": {"name": self.file.search_space, **self.space.model_dump(mode="json")},
            "arm_spaces": {
                arm: {"name": self.file.arms[arm].search_space, **space.model_dump(mode="json")}
                for arm, space in self.arm_spaces.items()
            },
            "arm_changes": {n: arm.protocol for n, arm in self.file.arms.items() if arm.protocol},
            "arm_protocols": {
                arm: protocol.model_dump(mode="json")
                for arm, protocol in self.arm_protocols.items()
            },
            "protocol": {
                "name": self.protocol_name,
                "digest": self.protocol.digest(),
                **self.protocol.model_dump(mode="json"),
            },
        }
