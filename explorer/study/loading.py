"""Reading a study with all that it names, and refusing what has no meaning."""

from collections.abc import Sequence
from pathlib import Path

from explorer import files, formulas
from explorer.errors import InputError, nearest
from explorer.study.protocol import changed, load_protocol
from explorer.study.reading import parse, plain
from explorer.study.space import SearchSpace, check_ranges, load_search_space
from explorer.study.study import SCRATCH, Arm, Study, StudyFile


def load_studies(name: str, *, protocols: Sequence[str] = ()) -> list[Study]:
    """Read a study, its search space and its protocols: one study for each protocol.

    Scores under two protocols are not comparable, so under another protocol than the one in its
    file a study has a name of its own in the database, ``<study>@<protocol>``. So it has where its
    file names several.

    Args:
        name: A study's name or its file.
        protocols: Run under these protocols (names or files) and not under the study's own.

    Raises:
        InputError: If anything in the files is wrong.
    """
    path = files.find("studies", name, source="study")
    file = parse(StudyFile, path)
    said_by: str | Path = "--protocol" if protocols else path
    wanted = tuple(protocols) or file.protocol
    stems = [Path(one).stem for one in wanted]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice:
        raise InputError(said_by, "protocol", twice, "is named twice; drop one")
    return [_load(path, file, one, said_by, file.protocol == (one,)) for one in wanted]


def load_study(name: str, *, protocol: str | None = None) -> Study:
    """Read a study that runs under one protocol; see :func:`load_studies`.

    Args:
        name: A study's name or its file.
        protocol: Run under this protocol (name or file) and not under the study's own.

    Raises:
        InputError: If anything in the files is wrong, or its file names several protocols and
            none is chosen.
    """
    studies = load_studies(name, protocols=[protocol] if protocol else ())
    if len(studies) > 1:
        names = [study.protocol_name for study in studies]
        raise InputError(studies[0].path, "protocol", names, "are several; choose one")
    return studies[0]


def _load(path: Path, file: StudyFile, protocol: str, said_by: str | Path, own: bool) -> Study:
    space = load_search_space(file.search_space, source=path)
    chosen = load_protocol(protocol, source=said_by)
    stem = Path(protocol).stem
    study_name = path.stem if own else f"{path.stem}@{stem}"
    arm_spaces = {
        name: load_search_space(arm.search_space, source=path, key=f"arms.{name}.search_space")
        for name, arm in file.arms.items()
        if arm.search_space not in {None, file.search_space}
    }
    arm_protocols = {
        name: changed(chosen, arm.protocol, path, f"arms.{name}.protocol")
        for name, arm in file.arms.items()
        if arm.protocol
    }
    study = Study(study_name, path, file, space, chosen, stem, arm_spaces, arm_protocols)
    _check_study(study)
    return study


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
    _check_search(study)
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
                raise InputError(path, key, plain(value), problem)
        formula = formulas.get(space.formula)
        check_ranges(formula, space.complete(arm.ranges), path, f"arms.{name}")


def _check_search(study: Study) -> None:
    """Refuse a sampler or a pruner that the rest of the study leaves without a meaning."""
    file, path, pruner = study.file, study.path, study.file.pruner
    if len(file.objectives) > 1:
        if file.sampler is not None and file.sampler.name == "cmaes":
            remedy = "has one objective; for two take nsga2, tpe or gp"
            raise InputError(path, "sampler.name", file.sampler.name, remedy)
        if pruner.name != "none":
            remedy = "a trial with two objectives cannot be stopped early; remove pruner"
            raise InputError(path, "pruner.name", pruner.name, remedy)
    if pruner.name == "wilcoxon":
        if file.replicates <= pruner.pairs:
            remedy = (
                f"too few for the pruner wilcoxon: {pruner.pairs} pairs give "
                f"p = {0.5**pruner.pairs:.2g} at best, the first below its threshold of "
                f"{pruner.threshold:g}; it needs more than {pruner.pairs} replicates to save any"
            )
            raise InputError(path, "replicates", file.replicates, remedy)
    elif pruner.name != "none" and not study.protocol.pretrain.rungs:
        remedy = f"the protocol {study.protocol_name} has no rungs at which it could act"
        raise InputError(path, "pruner.name", pruner.name, remedy)


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
