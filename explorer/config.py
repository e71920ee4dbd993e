"""What a study is: its search space, its arms or sampler, and the protocol it runs under.

The three files are read with :func:`load_study`, which returns a :class:`Study` in which every
name has been looked up and every range checked, or raises one
:class:`~explorer.errors.InputError` that names file, key, value and remedy.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from explorer import files, formulas
from explorer.errors import InputError, nearest
from explorer.training.recipe import FineTune, Model, Pretrain, Task

SCRATCH = "scratch"
"""Name of the arm that is fine-tuned from random initialisation; every study has it."""

Range = tuple[float, float]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$")]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Dataset(_File):
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


class Resources(_File):
    """What one trial holds while it runs."""

    cpus: float = Field(default=1, gt=0, le=1024)
    gpus: float = Field(default=0, ge=0, le=64, description="a fraction shares one GPU")


class Protocol(_File):
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

    def digest(self) -> str:
        """Return a hash of all that can change a score (not the prose, not the resources)."""
        content = self.model_dump(mode="json", exclude={"description", "expect", "resources"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class Bounds(_File):
    """How far a study may move the two ends of one parameter's range, and where they stand."""

    low: Range = Field(description="least and greatest value of the low end")
    high: Range = Field(description="least and greatest value of the high end")
    default: Range = Field(description="the range where a study does not vary it")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for key in ("low", "high", "default"):
            low, high = getattr(self, key)
            if low > high:
                raise ValueError(f"{key}: {_plain((low, high))}: the first must not be above")
        if self.low[0] > self.high[0] or self.low[1] > self.high[1]:
            raise ValueError("the bounds of low must not lie above the bounds of high")
        problem = self.problem(self.default)
        if problem:
            raise ValueError(f"default: {_plain(self.default)}: {problem}")
        return self

    def problem(self, value: Range) -> str | None:
        """Say what is wrong with a range under these bounds, or return ``None``."""
        if value[0] > value[1]:
            return f"low is above high; write {_plain((value[1], value[0]))}"
        for end, name in enumerate(("low", "high")):
            least, greatest = getattr(self, name)
            if not least <= value[end] <= greatest:
                return (
                    f"its {name} end must lie in {_plain((least, greatest))}, "
                    "the bounds of the search space"
                )
        return None


class SearchSpace(_File):
    """The parameters of one formula that studies may vary."""

    description: str
    formula: str
    parameters: dict[str, Bounds] = Field(min_length=1)

    def integer(self, parameter: str) -> bool:
        """Say whether a parameter (or group of parameters) takes whole numbers only."""
        formula = formulas.get(self.formula)
        kinds = {p.name: p.kind for p in formula.parameters}
        return all(kinds[m] is int for m in formula.groups.get(parameter, (parameter,)))

    def complete(self, ranges: Mapping[str, Range]) -> dict[str, Range]:
        """Return the range of every parameter of the space, the given ones over the defaults."""
        full = {name: bounds.default for name, bounds in self.parameters.items()}
        return {**full, **ranges}


class Sampler(_File):
    """Where the ranges of a sampled study come from."""

    name: Literal["random", "qmc", "tpe"]
    samples: int = Field(ge=1, le=1_000_000, description="ranges to try, each with all replicates")


class Arm(BaseModel):
    """One arm of a study: the ranges that it sets, and what else sets it apart.

    Every entry but those named here is a parameter and its range: ``{frequency: [0, 5]}``.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Range]

    search_space: str | None = Field(
        default=None, description="where its formula is not that of the study: another search space"
    )
    protocol: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="what differs from the study's protocol: {dataset: {categories: 100}}",
    )
    pretrain: bool = Field(default=True, description="false: fine-tune from random weights")

    @property
    def ranges(self) -> dict[str, Range]:
        """The ranges that it sets."""
        return dict(self.__pydantic_extra__)


class StudyFile(_File):
    """A study as its file says it."""

    description: str
    search_space: str
    protocol: str
    baseline: str = SCRATCH
    replicates: int = Field(default=3, ge=1, le=1000, description="seeds an arm")
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="seed of the first replicate")
    arms: dict[Name, Arm] = Field(default_factory=dict)
    sampler: Sampler | None = None
    vary: tuple[str, ...] = Field(default=(), description="the parameters that a sampler moves")


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

    def __init__(
        self,
        name: str,
        path: Path,
        file: StudyFile,
        space: SearchSpace,
        protocol: Protocol,
        protocol_name: str,
        arm_spaces: Mapping[str, SearchSpace],
        arm_protocols: Mapping[str, Protocol],
    ) -> None:
        self.name = name
        self.path = path
        self.file = file
        self.space = space
        self.protocol = protocol
        self.protocol_name = protocol_name
        self.arm_spaces = dict(arm_spaces)
        self.arm_protocols = dict(arm_protocols)

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
        """The parameters of the study's search space that differ between trials, in its order."""
        own = (arm for name, arm in self.file.arms.items() if name not in self.arm_spaces)
        named = {p for arm in own for p in arm.ranges} | set(self.file.vary)
        return tuple(p for p in self.space.parameters if p in named)

    @property
    def planned(self) -> int:
        """The number of trials that the study asks for."""
        samples = self.file.sampler.samples if self.file.sampler else 0
        return (len(self.arms) + samples) * self.file.replicates

    def definition(self) -> dict[str, Any]:
        """Return all that a reader of the database needs to know of the study, as plain data."""
        said = self.file.model_dump(mode="json")
        return {
            **said,
            "name": self.name,
            "arms": {a: r and {p: list(v) for p, v in r.items()} for a, r in self.arms.items()},
            "search_space": {
                "name": self.file.search_space,
                **self.space.model_dump(mode="json"),
            },
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


def load_study(name: str, *, protocol: str | None = None) -> Study:
    """Read a study, its search space and its protocol.

    Args:
        name: A study's name or its file.
        protocol: Run under this protocol (name or file) and not under the study's own. Such a
            study has a name of its own in the database, ``<study>@<protocol>``: scores under
            two protocols are not comparable.

    Raises:
        InputError: If anything in the three files is wrong.
    """
    path = files.find("studies", name, source="study")
    file = _parse(StudyFile, path)
    space = load_search_space(file.search_space, source=path)
    said_by: str | Path = path if protocol is None else "--protocol"
    wanted = file.protocol if protocol is None else protocol
    chosen = load_protocol(wanted, source=said_by)
    study_name = path.stem
    if wanted != file.protocol:
        study_name = f"{study_name}@{Path(wanted).stem}"
    arm_spaces = {
        name: load_search_space(arm.search_space, source=path, key=f"arms.{name}.search_space")
        for name, arm in file.arms.items()
        if arm.search_space not in {None, file.search_space}
    }
    arm_protocols = {
        name: _changed(chosen, arm.protocol, path, f"arms.{name}.protocol")
        for name, arm in file.arms.items()
        if arm.protocol
    }
    stem = Path(wanted).stem
    study = Study(study_name, path, file, space, chosen, stem, arm_spaces, arm_protocols)
    _check_study(study)
    return study


def load_search_space(
    name: str, *, source: str | Path = "search space", key: str = "search_space"
) -> SearchSpace:
    """Read a search space by name or file.

    Args:
        name: Its name or its file.
        source: What names it, for the error line.
        key: The entry that names it, likewise.

    Raises:
        InputError: If it is missing or wrong: unknown formula, a parameter that the formula
            does not have, bounds outside the formula's limits.
    """
    path = files.find("search_spaces", name, source=source, key=key)
    space = _parse(SearchSpace, path)
    formula = _formula(space.formula, path, "formula")
    for parameter, bounds in space.parameters.items():
        for entry in ("low", "high", "default"):
            _check_ranges(formula, {parameter: getattr(bounds, entry)}, path, "parameters", entry)
    _check_ranges(formula, space.complete({}), path, "parameters", "default")
    return space


def load_protocol(name: str, *, source: str | Path = "protocol") -> Protocol:
    """Read a protocol by name or file.

    Raises:
        InputError: If it is missing or wrong.
    """
    key = "protocol" if isinstance(source, Path) else None
    return _parse(Protocol, files.find("protocols", name, source=source, key=key))


def protocol_digest(said: Mapping[str, Any]) -> str:
    """Return the digest of a protocol as a study's definition in a database holds it.

    It is computed anew: entries that a later version has added count with their defaults.
    """
    content = {key: value for key, value in said.items() if key not in {"name", "digest"}}
    try:
        return Protocol.model_validate(content).digest()
    except ValidationError:
        return str(said.get("digest"))  # of a version whose entries this one does not know


def parse_ranges(formula: str, settings: Sequence[str]) -> dict[str, Range]:
    """Read ranges as the command line says them: ``frequency=0..20``, or ``orbits=1`` for both.

    Args:
        formula: Name of the formula that they are for.
        settings: One ``KEY=LOW..HIGH`` each.

    Raises:
        InputError: If there is no such formula, or it cannot draw from a range.
    """
    family = _formula(formula)
    ranges = _read_settings(settings)
    _check_settings(family, ranges)
    return ranges


def parse_shared_ranges(names: Sequence[str], settings: Sequence[str]) -> list[dict[str, Range]]:
    """Read ranges that are for several formulas: each holds for those that have the parameter.

    Args:
        names: Names of the formulas.
        settings: One ``KEY=LOW..HIGH`` each.

    Returns:
        The ranges of every formula.

    Raises:
        InputError: If there is no such formula, one cannot draw from a range, or a key is a
            parameter of none.
    """
    if len(names) == 1:
        return [parse_ranges(names[0], settings)]
    families = [_formula(name) for name in names]
    ranges = _read_settings(settings)
    keys = [{*(p.name for p in family.parameters), *family.groups} for family in families]
    for key in ranges:
        if not any(key in known for known in keys):
            hint = nearest(key, set().union(*keys))
            raise InputError("--set", key, None, f"no parameter of {', '.join(names)}; {hint}")
    shares = [{k: ends for k, ends in ranges.items() if k in known} for known in keys]
    for family, share in zip(families, shares, strict=True):
        _check_settings(family, share, said=f" of {family.name}")
    return shares


def _read_settings(settings: Sequence[str]) -> dict[str, Range]:
    ranges: dict[str, Range] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        low, _, high = value.partition("..")
        try:
            ranges[key] = (float(low), float(high or low))
        except ValueError as error:
            raise InputError("--set", None, setting, "write KEY=LOW..HIGH or KEY=VALUE") from error
    return ranges


def _check_settings(
    formula: formulas.Formula, ranges: Mapping[str, Range], *, said: str = ""
) -> None:
    try:
        formula.resolve(ranges)
    except formulas.RangeError as error:
        shown = _plain(ranges[error.parameter]) if error.parameter in ranges else None
        raise InputError("--set", f"{error.parameter}{said}", shown, error.remedy) from error


def _formula(name: str, source: str | Path = "formula", key: str | None = None) -> formulas.Formula:
    """Return the formula of a name, or say at the place that names it why there is none."""
    try:
        return formulas.get(name)
    except (formulas.UnknownFormula, formulas.BrokenFormula) as error:
        raise InputError(source, key, name, error.remedy) from error


def _changed(
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
        raise _first_error(error, Protocol, path, content, key) from error


_Model = TypeVar("_Model", bound=BaseModel)


def _parse(model: type[_Model], path: Path) -> _Model:
    content = files.read(path)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _first_error(error, model, path, content) from error


def _first_error(
    error: ValidationError, model: type[BaseModel], path: Path, content: Any, prefix: str = ""
) -> InputError:
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


def _check_study(study: Study) -> None:
    file, path, space = study.file, study.path, study.space
    if SCRATCH in file.arms:
        remedy = "this name is taken: every study has the arm that is not pre-trained"
        raise InputError(path, f"arms.{SCRATCH}", None, remedy)
    if not file.arms and file.sampler is None:
        raise InputError(path, None, None, "varies nothing; give it arms, or a sampler and vary")
    if file.baseline not in study.arms:
        hint = nearest(file.baseline, study.arms)
        raise InputError(path, "baseline", file.baseline, f"no arm of this name; {hint}")
    if file.sampler is not None and not file.vary:
        raise InputError(path, "vary", None, "a sampler needs the parameters that it may vary")
    if file.sampler is None and file.vary:
        raise InputError(path, "vary", list(file.vary), "needs a sampler; arms name their ranges")
    for position, parameter in enumerate(file.vary):
        _check_known(parameter, space, path, f"vary.{position}", file.search_space)
    for name, arm in file.arms.items():
        _check_source(study, name, arm)
        space = study.space_of(name)
        for parameter, value in arm.ranges.items():
            key = f"arms.{name}.{parameter}"
            _check_known(parameter, space, path, key, arm.search_space or file.search_space)
            problem = space.parameters[parameter].problem(value)
            if problem:
                raise InputError(path, key, _plain(value), problem)
        formula = formulas.get(space.formula)
        _check_ranges(formula, space.complete(arm.ranges), path, f"arms.{name}")


def _check_source(study: Study, name: str, arm: Arm) -> None:
    """Refuse entries of an arm that have no effect, because it does not draw from a formula."""
    images = study.protocol_of(name).dataset.images
    if arm.pretrain and images is None:
        return
    given = next(iter([*arm.ranges, *(["search_space"] if arm.search_space else [])]), None)
    if given is not None:
        why = f"images of {images}" if arm.pretrain else "no pre-training"
        raise InputError(study.path, f"arms.{name}.{given}", None, f"has no effect: {why}")


def _check_known(parameter: str, space: SearchSpace, path: Path, key: str, name: str) -> None:
    if parameter not in space.parameters:
        hint = nearest(parameter, space.parameters)
        remedy = f"no parameter of the search space {name}; {hint}"
        raise InputError(path, key, None if key.endswith(parameter) else parameter, remedy)


def _check_ranges(
    formula: formulas.Formula,
    ranges: Mapping[str, Range],
    path: Path,
    prefix: str,
    suffix: str | None = None,
) -> None:
    try:
        formula.resolve(ranges)
    except formulas.RangeError as error:
        parts = [prefix, error.parameter, *([suffix] if suffix else [])]
        value = ranges.get(error.parameter)
        shown = error.value if value is None else _plain(value)
        raise InputError(path, ".".join(parts), shown, error.remedy) from error


def _plain(value: Range) -> list[float]:
    """Return a range as it is written: whole numbers without a decimal point."""
    return [int(end) if float(end).is_integer() else end for end in value]
