"""How a study is searched: where ranges come from, what is sought, and what is stopped early."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from explorer.errors import nearest
from explorer.study.reading import File

ACCURACY = "accuracy"
"""The objective that every study has, and has first."""


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
    """What is sought: accuracy, or a variety measure of the images."""

    name: str
    direction: Literal["maximize", "minimize"] = "maximize"

    @model_validator(mode="after")
    def _is_measured(self) -> Self:
        if self.name == ACCURACY:
            return self
        from explorer.measures import MEASURES

        known = [ACCURACY, *(f"variety.{measure}" for measure in MEASURES)]
        if self.name not in known:
            raise ValueError(
                f"{self.name}: nothing that trials measure; {nearest(self.name, known)}"
            )
        return self


def _read(value: object) -> object:
    """Read ``name`` or ``{name: direction}``."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict) and len(value) == 1:
        ((name, direction),) = value.items()
        return {"name": name, "direction": direction}
    return value


def _write(objective: Objective) -> dict[str, str]:
    return {objective.name: objective.direction}


Sought = Annotated[Objective, BeforeValidator(_read), PlainSerializer(_write)]


def check_objectives(objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
    """Refuse objectives of which accuracy is not the first, to be maximised.

    Raises:
        ValueError: If it is not.
    """
    first, *others = objectives
    if (first.name, first.direction) != (ACCURACY, "maximize"):
        raise ValueError("the first is accuracy, which is maximised")
    if any(other.name == ACCURACY for other in others):
        raise ValueError("accuracy stands there twice")
    return objectives
