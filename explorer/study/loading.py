"""Reading a study with all that it names, and refusing what has no meaning."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from explorer import files, formulas
from explorer.errors import InputError, nearest, refuse
from explorer.study.protocol import Protocol, changed, load_protocol
from explorer.study.reading import Range, override, plain, validate
from explorer.study.settings import OF_PROTOCOL, Settings, read_settings
from explorer.study.space import SearchSpace, check_ranges, load_search_space
from explorer.study.study import SCRATCH, Arm, Study, StudyFile


class _Mistakes(list[InputError]):
    """What is wrong; as a context, notes what its block raises."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, _traceback: object) -> bool:
        if isinstance(error, InputError):
            self.append(error)
        return isinstance(error, InputError)


def load_studies(
    name: str,
    *,
    protocols: Sequence[str] = (),
    settings: Sequence[str] = (),
    replicates: int | None = None,
    samples: int | None = None,
    seed: int | None = None,
) -> list[Study]:
    """Read a study, its search space and its protocols: one study for each protocol.

    Scores under two protocols are not comparable, so under another protocol than the one in its
    file a study has a name of its own in the database, ``<study>@<protocol>``. So it has where its
    file names several, and where settings change what its trials are: ``<study>+<setting>``.
    Settings that only add trials (replicates, samples) leave the name as it is.

    Args:
        name: A study's name or its file.
        protocols: Run under these protocols (names or files) and not under the study's own.
        settings: What to change for this run, ``pretrain.epochs=3``: any entry of the study's file
            (but ``protocol``) or of its protocols, the value as YAML.
        replicates: Replicates per arm, in place of what the file says.
        samples: Arms that the sampler proposes, likewise.
        seed: Seed of the first replicate, likewise.

    Raises:
        InputError: If anything in the files is wrong; all that is, a line each.
    """
    short = {"replicates": replicates, "sampler.samples": samples, "seed": seed}
    more = [f"{key}={value}" for key, value in short.items() if value is not None]
    changes = read_settings([*settings, *more])
    path = files.find("studies", name, source="study")
    mistakes = _Mistakes()
    file = _read(path, changes, mistakes)
    whole = not mistakes
    source: str | Path = "--protocol" if protocols else path
    wanted = tuple(protocols) or file.protocol
    stems = [Path(protocol).stem for protocol in wanted]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice:
        mistakes.append(InputError(source, "protocol", twice, "is named twice; drop one"))
    studies = []
    for protocol in dict.fromkeys(wanted):
        unchanged = file.protocol == (protocol,)
        study = _load(path, file, protocol, source, unchanged, changes, mistakes, whole=whole)
        if study is not None:
            studies.append(study)
    refuse(mistakes)
    return studies


def load_study(name: str, *, protocol: str | None = None, **settings: Any) -> Study:
    """Read a study that runs under one protocol; see :func:`load_studies`.

    Args:
        name: A study's name or its file.
        protocol: Run under this protocol (name or file) and not under the study's own.
        settings: The further arguments of :func:`load_studies`.

    Raises:
        InputError: If anything in the files is wrong, or its file names several protocols and
            none is chosen.
    """
    studies = load_studies(name, protocols=[protocol] if protocol else (), **settings)
    if len(studies) > 1:
        names = [study.protocol_name for study in studies]
        raise InputError(studies[0].path, "protocol", names, "are several; choose one")
    return studies[0]


def _read(path: Path, settings: Settings, mistakes: _Mistakes) -> StudyFile:
    """Read a study's file; of one with mistakes what is right, so that the rest is looked at too.

    Raises:
        InputError: If too little of it is right.
    """
    content = files.read(path)
    try:
        file = validate(StudyFile, content, path)
    except InputError as error:
        mistakes += getattr(error, "errors", [error])
        try:
            return validate(StudyFile, _without(content, [m.key or "" for m in mistakes]), path)
        except InputError:
            refuse(mistakes)
    if settings.study:
        return validate(StudyFile, override(content, settings.study), "--set")
    return file


def _without(content: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Leave out the entries of some content that have mistakes."""
    result = copy.deepcopy(content)
    for key in keys:
        inner: Any = result
        *parts, last = key.split(".")
        for part in parts:
            inner = inner.get(part) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner.pop(last, None)
        elif parts:
            result.pop(parts[0], None)
    return result


def _load(
    path: Path,
    file: StudyFile,
    protocol: str,
    source: str | Path,
    unchanged: bool,
    settings: Settings,
    mistakes: _Mistakes,
    *,
    whole: bool,
) -> Study | None:
    """Look up what a study names; what is wrong is noted.

    What its entries mean together is looked at only where the file is whole, all of it right.
    """
    space = base = None
    spaces: dict[str, SearchSpace] = {}
    protocols: dict[str, Protocol] = {}
    with mistakes:
        space = load_search_space(file.search_space, source=path)
    with mistakes:
        base = load_protocol(protocol, source=source)
        if settings.protocol:
            base = changed(base, settings.protocol, "--set", parts=OF_PROTOCOL)
    for name, arm in file.arms.items():
        key = f"arms.{name}"
        if arm.search_space is not None and arm.search_space != file.search_space:
            with mistakes:
                spaces[name] = load_search_space(
                    arm.search_space, source=path, key=f"{key}.search_space"
                )
        if arm.protocol and base is not None:
            with mistakes:
                protocols[name] = changed(base, arm.protocol, path, f"{key}.protocol")
    for name, arm in file.arms.items():
        protocol_of = protocols.get(name, base)
        images = None if protocol_of is None else protocol_of.dataset.images
        space_of = space if arm.search_space in {None, file.search_space} else spaces.get(name)
        mistakes += _problems_of_arm(path, f"arms.{name}", arm, space_of, images)
    if whole:
        mistakes += _problems(path, file, space, base)
    if space is None or base is None:
        return None
    stem = Path(protocol).stem
    return Study(
        f"{path.stem}{settings.suffix}{'' if unchanged else f'@{stem}'}",
        path,
        file,
        space,
        base,
        f"{stem}{settings.protocol_suffix}",
        spaces,
        protocols,
    )


def _problems(
    path: Path, file: StudyFile, space: SearchSpace | None, protocol: Protocol | None
) -> Iterator[InputError]:
    """Yield what the entries of a whole file do not mean together."""
    arms = (SCRATCH, *file.arms)
    if not file.arms and file.sampler is None:
        yield InputError(path, None, None, "varies nothing; give it arms, or a sampler and vary")
    if file.baseline not in arms:
        hint = nearest(file.baseline, arms)
        yield InputError(path, "baseline", file.baseline, f"no arm of this name; {hint}")
    if file.sampler is not None and not file.vary:
        yield InputError(path, "vary", None, "a sampler needs the parameters that it may vary")
    if file.sampler is None and file.vary:
        yield InputError(path, "vary", list(file.vary), "needs a sampler; arms name their ranges")
    for position, parameter in enumerate(file.vary):
        if space is not None and parameter not in space.parameters:
            yield _unknown(parameter, space, path, f"vary.{position}")
        elif parameter in file.vary[:position]:
            yield InputError(path, f"vary.{position}", parameter, "stands there twice; drop one")
    yield from _problems_of_search(path, file, protocol)


def _problems_of_search(
    path: Path, file: StudyFile, protocol: Protocol | None
) -> Iterator[InputError]:
    """Yield where a sampler or a pruner does not go with the rest of a file."""
    pruner = file.pruner
    if len(file.objectives) > 1:
        if file.sampler is not None and file.sampler.name == "cmaes":
            remedy = "has one objective; for two take nsga2, tpe or gp"
            yield InputError(path, "sampler.name", file.sampler.name, remedy)
        if pruner.name != "none":
            remedy = "an arm with two objectives cannot be stopped early; remove pruner"
            yield InputError(path, "pruner.name", pruner.name, remedy)
    if pruner.name == "wilcoxon":
        if file.replicates <= pruner.pairs:
            remedy = (
                f"too few for the pruner wilcoxon: {pruner.pairs} pairs give "
                f"p = {0.5**pruner.pairs:.2g} at best, the first below its threshold of "
                f"{pruner.threshold:g}; it needs more than {pruner.pairs} replicates to save any"
            )
            yield InputError(path, "replicates", file.replicates, remedy)
    elif pruner.name != "none" and protocol is not None and not protocol.pretrain.rungs:
        remedy = "the protocol has no rungs at which it could act"
        yield InputError(path, "pruner.name", pruner.name, remedy)


def _problems_of_arm(
    path: Path, key: str, arm: Arm, space: SearchSpace | None, images: Path | None
) -> Iterator[InputError]:
    """Yield ranges that the arm's formula cannot draw from, and entries without effect."""
    given = next(iter([*arm.ranges, *(["search_space"] if arm.search_space else [])]), None)
    if given is not None and not (arm.pretrain and images is None):
        why = f"images of {images}" if arm.pretrain else "no pre-training"
        yield InputError(path, f"{key}.{given}", None, f"has no effect: {why}")
    elif space is not None:
        wrong = list(_problems_of_ranges(path, key, arm.ranges, space))
        yield from wrong
        if not wrong:
            try:
                formula = formulas.get(space.formula)
                check_ranges(formula, space.complete(arm.ranges), path, key)
            except InputError as error:
                yield error


def _problems_of_ranges(
    path: Path, key: str, ranges: Mapping[str, Range], space: SearchSpace
) -> Iterator[InputError]:
    for parameter, value in ranges.items():
        if parameter not in space.parameters:
            yield _unknown(parameter, space, path, f"{key}.{parameter}")
        elif problem := space.parameters[parameter].problem(value):
            yield InputError(path, f"{key}.{parameter}", plain(value), problem)


def _unknown(parameter: str, space: SearchSpace, path: Path, key: str) -> InputError:
    hint = nearest(parameter, space.parameters)
    remedy = f"no parameter of the search space of {space.formula}; {hint}"
    return InputError(path, key, None if key.endswith(parameter) else parameter, remedy)
