"""Reading a study with all that it names, and refusing what has no meaning."""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from explorer import files, formulas
from explorer.errors import InputError, nearest, refuse
from explorer.study.protocol import Protocol, changed, check_parts, load_protocol
from explorer.study.reading import override, plain, validate
from explorer.study.settings import Settings, read_settings
from explorer.study.space import SearchSpace, check_ranges, load_search_space
from explorer.study.study import Arm, Study, StudyFile


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
    changes = read_settings(settings, replicates=replicates, samples=samples, seed=seed)
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
        base = changed(base, settings.protocol, "--set", "") if settings.protocol else base
    for name, arm in file.arms.items():
        key = f"arms.{name}"
        if arm.search_space is not None and arm.search_space != file.search_space:
            with mistakes:
                spaces[name] = load_search_space(
                    arm.search_space, source=path, key=f"{key}.search_space"
                )
        if arm.protocol and base is not None:
            with mistakes:
                check_parts(arm.protocol, path, f"{key}.protocol")
                protocols[name] = changed(base, arm.protocol, path, f"{key}.protocol")
    if space is None or base is None:
        return None
    stem = Path(protocol).stem
    study_name = f"{path.stem}{settings.suffix}"
    study = Study(
        study_name if unchanged else f"{study_name}@{stem}",
        path,
        file,
        space,
        base,
        f"{stem}{settings.protocol_suffix}",
        spaces,
        protocols,
    )
    if whole:
        mistakes += _problems(study)
    for name, arm in file.arms.items():
        mistakes += _problems_of_arm(study, name, arm)
    return study


def _problems(study: Study) -> Iterator[InputError]:
    """Yield what has no meaning in a study whose names are all known."""
    file, path, space = study.file, study.path, study.space
    if not file.arms and file.sampler is None:
        yield InputError(path, None, None, "varies nothing; give it arms, or a sampler and vary")
    if file.baseline not in study.arms:
        hint = nearest(file.baseline, study.arms)
        yield InputError(path, "baseline", file.baseline, f"no arm of this name; {hint}")
    if file.sampler is not None and not file.vary:
        yield InputError(path, "vary", None, "a sampler needs the parameters that it may vary")
    if file.sampler is None and file.vary:
        yield InputError(path, "vary", list(file.vary), "needs a sampler; arms name their ranges")
    yield from _problems_of_search(study)
    for position, parameter in enumerate(file.vary):
        if parameter not in space.parameters:
            yield _unknown(parameter, space, path, f"vary.{position}", file.search_space)
        elif parameter in file.vary[:position]:
            yield InputError(path, f"vary.{position}", parameter, "stands there twice; drop one")


def _problems_of_search(study: Study) -> Iterator[InputError]:
    """Yield what is wrong with a sampler or a pruner, given the rest of the study."""
    file, path, pruner = study.file, study.path, study.file.pruner
    if len(file.objectives) > 1:
        if file.sampler is not None and file.sampler.name == "cmaes":
            remedy = "has one objective; for two take nsga2, tpe or gp"
            yield InputError(path, "sampler.name", file.sampler.name, remedy)
        if pruner.name != "none":
            remedy = "a trial with two objectives cannot be stopped early; remove pruner"
            yield InputError(path, "pruner.name", pruner.name, remedy)
    if pruner.name == "wilcoxon":
        if file.replicates <= pruner.pairs:
            remedy = (
                f"too few for the pruner wilcoxon: {pruner.pairs} pairs give "
                f"p = {0.5**pruner.pairs:.2g} at best, the first below its threshold of "
                f"{pruner.threshold:g}; it needs more than {pruner.pairs} replicates to save any"
            )
            yield InputError(path, "replicates", file.replicates, remedy)
    elif pruner.name != "none" and not study.protocol.pretrain.rungs:
        remedy = f"the protocol {study.protocol_name} has no rungs at which it could act"
        yield InputError(path, "pruner.name", pruner.name, remedy)


def _problems_of_arm(study: Study, name: str, arm: Arm) -> Iterator[InputError]:
    """Yield ranges that the arm's formula cannot draw from, and entries without effect."""
    path, space = study.path, study.space_of(name)
    images = study.protocol_of(name).dataset.images
    given = next(iter([*arm.ranges, *(["search_space"] if arm.search_space else [])]), None)
    if given is not None and not (arm.pretrain and images is None):
        why = f"images of {images}" if arm.pretrain else "no pre-training"
        yield InputError(path, f"arms.{name}.{given}", None, f"has no effect: {why}")
        return
    wrong = False
    for parameter, value in arm.ranges.items():
        key = f"arms.{name}.{parameter}"
        problem = None
        if parameter not in space.parameters:
            wrong = True
            space_name = arm.search_space or study.file.search_space
            yield _unknown(parameter, space, path, key, space_name)
        elif problem := space.parameters[parameter].problem(value):
            wrong = True
            yield InputError(path, key, plain(value), problem)
    if not wrong:
        try:
            formula = formulas.get(space.formula)
            check_ranges(formula, space.complete(arm.ranges), path, f"arms.{name}")
        except InputError as error:
            yield error


def _unknown(parameter: str, space: SearchSpace, path: Path, key: str, name: str) -> InputError:
    hint = nearest(parameter, space.parameters)
    remedy = f"no parameter of the search space {name}; {hint}"
    return InputError(path, key, None if key.endswith(parameter) else parameter, remedy)
