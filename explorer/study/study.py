"""Studies: what is compared, how it is searched, and under which protocol it is run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mode
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_serializer,
    model_serializer,
    model_validator,
)

from explorer import files
from explorer.errors import nearest
from explorer.study.protocol import Part, Protocol
from explorer.study.reading import ONE_OR_SEVERAL, File, Range
from explorer.study.space import Bounds, SearchSpace

ACCURACY = "accuracy"
"""The objective that training is for; a study that has it has it first."""


_MISSING = re.compile(r"NA|na|NaN|nan|NAN|NULL|null|None")  # to pandas and its like
_OF_A_SAMPLE = re.compile(r"sample-\d+")


class _Named(File):
    """What may be written by its name alone: ``sampler: tpe``."""

    @model_validator(mode="before")
    @classmethod
    def _a_name_needs_no_mapping(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class Sampler(_Named):
    """Where the ranges of a sampled study come from."""

    name: Literal["random", "qmc", "tpe", "gp", "cmaes", "nsga2"]
    samples: int = Field(
        default=40, ge=1, le=1_000_000, description="ranges to try, each with all replicates"
    )


class Pruner(_Named):
    """What stops arms that promise nothing.

    ``median``, ``successive_halving`` and ``hyperband`` look at the probe at every rung;
    ``wilcoxon`` looks at the finished replicates of an arm before it lets another one begin.
    """

    name: Literal["none", "median", "successive_halving", "hyperband", "wilcoxon"]
    startup: int = Field(
        default=5, ge=1, le=1_000_000, description="median: finished trials before it stops one"
    )
    reduction_factor: int = Field(
        default=2, ge=2, le=100, description="halving, hyperband: of so many trials one goes on"
    )
    threshold: float = Field(
        default=0.1, gt=0, lt=1, description="wilcoxon: the p-value that an arm is given up below"
    )

    @model_validator(mode="after")
    def _options_have_an_effect(self) -> Self:
        used = {"median": "startup", "wilcoxon": "threshold"}
        used |= dict.fromkeys(("successive_halving", "hyperband"), "reduction_factor")
        idle = self.model_fields_set - {"name", used.get(self.name)}
        if idle:
            raise ValueError(f"{min(idle)} has no effect for {self.name}; remove it")
        return self

    @property
    def pairs(self) -> int:
        """wilcoxon: the least replicates that can give an arm up: of n, p is 2^-n at best."""
        return next(n for n in range(1, 1024) if 0.5**n < self.threshold)


class Objective(File):
    """What is sought, as a file writes it: ``name``, or ``{name: direction}``."""

    name: str
    direction: Literal["maximize", "minimize"] = "maximize"

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and len(value) == 1 and "name" not in value:
            ((name, direction),) = value.items()
            return {"name": name, "direction": direction}
        return value

    @model_serializer
    def _write(self) -> dict[str, str]:
        return {self.name: self.direction}

    @model_validator(mode="after")
    def _is_measured(self) -> Self:
        if self.name == ACCURACY:
            return self
        from explorer.measures import MEASURES

        known = [ACCURACY, *(f"variety.{measure}" for measure in MEASURES)]
        if self.name not in known:
            raise ValueError(f"no trial measures {self.name}; {nearest(self.name, known)}")
        return self


def _accuracy_comes_first(objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
    names = [objective.name for objective in objectives]
    if len(set(names)) < len(names):
        raise ValueError(f"{mode(names)} stands there twice")
    if ACCURACY in names and (objectives[0].name, objectives[0].direction) != (
        ACCURACY,
        "maximize",
    ):
        raise ValueError("accuracy comes first, and is maximised")
    return objectives


def _not_taken(name: str) -> str:
    if name in CONTROLS:
        raise ValueError(f"this name is taken by a control; write controls: [{name}]")
    if _MISSING.fullmatch(name):
        raise ValueError("programs that read tables take this name for a missing value")
    if _OF_A_SAMPLE.fullmatch(name):
        raise ValueError("this name is taken: arms that a sampler proposes are called so")
    return name


_ArmName = Annotated[
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
    protocol: dict[Part, Any] = Field(
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


class PublishedTask(File):
    """What a paper has measured on one task."""

    noise: float = Field(
        gt=0, le=100, description="points that two arms may differ by from the test set alone"
    )
    accuracy: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        min_length=2, description="top-1 in percent: a number per arm"
    )


class Published(File):
    """What a paper has measured of the arms of a study at full scale."""

    source: str
    tasks: dict[str, PublishedTask] = Field(min_length=1)


CONTROLS: Mapping[str, Arm] = {
    name: Arm.model_validate(content)
    for name, content in {
        "scratch": {"pretrain": False},
        "scratch_timm": {"pretrain": False, "protocol": {"scratch": {"initialisation": "timm"}}},
        "scratch_fan_in": {
            "pretrain": False,
            "protocol": {"scratch": {"initialisation": "fan_in"}},
        },
        "shuffled": {"protocol": {"finetune": {"weights": "shuffled"}}},
    }.items()
}
"""Arms that share everything with the others but what they have learned, by name.

``scratch`` is fine-tuned from random weights as the protocol says (``scratch``), ``scratch_timm``
and ``scratch_fan_in`` from those of the initialisation that they name. ``shuffled`` is pre-trained
on the default ranges, and fine-tuned from these weights in random order within every tensor.
"""


def _names_need_no_ranges(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    if not all(isinstance(name, str) for name in value):
        raise ValueError("write the names of parameters")
    if len(set(value)) < len(value):
        raise ValueError(f"{mode(value)} stands there twice; drop one")
    return dict.fromkeys(value)


class StudyFile(File):
    """A study as its file says it."""

    description: str
    search_space: str
    protocol: Annotated[tuple[str, ...], Field(min_length=1), ONE_OR_SEVERAL]
    """One, or a ladder of several that the study runs under one after the other."""
    baseline: str | None = Field(
        default=None, description="an arm or a control; the first control, if none is named"
    )
    controls: (
        tuple[Literal["scratch", "scratch_timm", "scratch_fan_in", "shuffled"], ...] | None
    ) = Field(
        default=None,
        description="arms in which nothing was learned, see CONTROLS; scratch, if none is named",
    )
    replicates: int = Field(default=3, ge=1, le=1000, description="seeds per arm")
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="seed of the first replicate")
    arms: dict[_ArmName, Arm] = Field(default_factory=dict)
    sampler: Sampler | None = None
    vary: Annotated[dict[str, Range | None], BeforeValidator(_names_need_no_ranges)] = Field(
        default_factory=dict,
        description="the parameters that a sampler moves, or {parameter: [from, to]} for both ends",
    )
    objectives: Annotated[tuple[Objective, ...], AfterValidator(_accuracy_comes_first)] = Field(
        default=(Objective(name=ACCURACY),),
        min_length=1,
        max_length=2,
        description="accuracy and perhaps a variety measure, variety.vendi_features; or one or two "
        "measures alone: then nothing is trained",
    )
    pruner: Pruner = Pruner(name="none")
    keep: Literal["none", "best", "all"] = Field(
        default="none",
        description="pre-trained weights that stay, for explorer export: those of the best arm so "
        "far, or of all; every replicate is then computed, also where its result is known",
    )
    published: Published | None = Field(
        default=None, description="what a paper has measured of the arms, to judge the protocol by"
    )

    @property
    def trains(self) -> bool:
        """Whether an objective needs any training."""
        return self.objectives[0].name == ACCURACY

    @property
    def named_controls(self) -> dict[str, Arm]:
        """The controls; a study that trains and names none has ``scratch``."""
        names = (("scratch",) if self.trains else ()) if self.controls is None else self.controls
        return {name: CONTROLS[name] for name in names}

    @field_serializer("vary")
    def _names_alone_are_a_list(self, vary: dict[str, Range | None]) -> Any:
        return dict(vary) if any(vary.values()) else list(vary)

    @property
    def named(self) -> dict[str, Arm]:
        """The controls and the arms, in this order: all but what a sampler proposes."""
        return {**self.named_controls, **self.arms}


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
        """Every named arm and its ranges; ``None`` for one that is not pre-trained."""
        return {n: arm.ranges if arm.pretrain else None for n, arm in self.file.named.items()}

    @property
    def baseline(self) -> str:
        """The arm that the others are compared with."""
        return self.file.baseline or next(iter(self.file.named_controls))

    def bounds(self, parameter: str) -> Bounds:
        """Return how far a sampler moves the ends of a parameter's range."""
        bounds, inside = self.space.parameters[parameter], self.file.vary.get(parameter)
        return bounds if inside is None else bounds.within(*inside)

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
        of_arms = self.file.named
        return {
            **self.file.model_dump(mode="json"),
            "name": self.name,
            "baseline": self.baseline,
            "controls": list(self.file.named_controls),
            "arms": {a: r and {p: list(v) for p, v in r.items()} for a, r in self.arms.items()},
            "search_space": {"name": self.file.search_space, **self.space.model_dump(mode="json")},
            "arm_spaces": {
                arm: {"name": of_arms[arm].search_space, **space.model_dump(mode="json")}
                for arm, space in self.arm_spaces.items()
            },
            "arm_changes": {name: arm.protocol for name, arm in of_arms.items() if arm.protocol},
            "arm_protocols": {a: p.model_dump(mode="json") for a, p in self.arm_protocols.items()},
            "protocol": {
                "name": self.protocol_name,
                "digest": self.protocol.digest(),
                **self.protocol.model_dump(mode="json"),
            },
        }
