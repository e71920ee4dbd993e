"""Reading a study with all that it names, and refusing what has no meaning."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import mode
from typing import Any, NamedTuple, get_args

from explorer import files
from explorer.errors import InputError, Mistakes, nearest, refuse, written
from explorer.study.protocol import Part, Protocol, changed, load_protocol
from explorer.study.reading import override, plain, validate
from explorer.study.space import SearchSpace, load_search_space
from explorer.study.study import ACCURACY, CONTROLS, Study, StudyFile

_OF_PROTOCOL = (*get_args(Part), "resources")
_OF_STUDY = tuple(name for name in StudyFile.model_fields if name != "protocol")
# More of the same trials, or the same trials otherwise run: the study stays what it is.
_SAME_STUDY = re.compile(r"(description|keep|replicates|sampler\.samples|resources)(\..*)?")


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
    changes = _read_settings([*settings, *more])
    path = files.find("studies", name, source="study")
    mistakes = Mistakes()
    file = _read(path, changes, mistakes)
    whole = not mistakes
    source: str | Path = "--protocol" if protocols else path
    wanted = tuple(protocols) or file.protocol
    stems = [Path(protocol).stem for protocol in wanted]
    if len(set(stems)) < len(stems):
        mistakes.append(InputError(source, "protocol", mode(stems), "is named twice; drop one"))
    studies = []
    for protocol, stem in dict(zip(wanted, stems, strict=True)).items():
        suffix = changes.suffix + ("" if file.protocol == (protocol,) else f"@{stem}")
        names = f"{path.stem}{suffix}", f"{stem}{changes.protocol_suffix}"
        study = _look_up(path, file, protocol, source, changes, names, mistakes, whole=whole)
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


class _Settings(NamedTuple):
    """What replaces entries of the files, and the ends of the names that this gives.

    Attributes:
        study: Changes to the study's file, nested as it is.
        protocol: Changes to its protocols, likewise.
        suffix: The end of the study's name, as ``+pretrain.epochs=3``.
        protocol_suffix: The part of it that is of the protocol.
    """

    study: Mapping[str, Any]
    protocol: Mapping[str, Any]
    suffix: str
    protocol_suffix: str


def _read_settings(texts: Sequence[str]) -> _Settings:
    """Read what is to be changed: one ``KEY=VALUE`` each, the key dotted, the value as YAML."""
    tree: dict[str, Any] = {}
    values: dict[str, str] = {}
    mistakes = Mistakes()
    for text in texts:
        key, equals, value = text.partition("=")
        *outer, last = key.split(".")
        part = key.split(".")[0]
        if not equals or not all((*outer, last)):
            remedy = "write KEY=VALUE, as pretrain.epochs=3"
            mistakes.append(InputError("--set", None, text, remedy))
        elif part not in {*_OF_STUDY, *_OF_PROTOCOL}:
            remedy = f"no part of a study or a protocol; {nearest(part, _OF_STUDY + _OF_PROTOCOL)}"
            mistakes.append(InputError("--set", key, None, remedy))
        else:
            inner = tree
            for name in outer:
                entries = inner.get(name)
                inner[name] = entries if isinstance(entries, dict) else {}
                inner = inner[name]
            values[key] = value
            try:
                inner[last] = files.parse(f"value: {value}", "--set")["value"]
            except InputError:
                mistakes.append(InputError("--set", key, value, "is not valid YAML"))
    refuse(mistakes)
    different = {k: v for k, v in sorted(values.items()) if not _SAME_STUDY.fullmatch(k)}
    of_protocol = {k: v for k, v in different.items() if k.split(".")[0] in _OF_PROTOCOL}
    return _Settings(
        {part: change for part, change in tree.items() if part not in _OF_PROTOCOL},
        {part: change for part, change in tree.items() if part in _OF_PROTOCOL},
        _suffix(different),
        _suffix(of_protocol),
    )


def _suffix(values: Mapping[str, str]) -> str:
    """Return settings as the end of a plain file name, another one for other settings."""
    text = "".join(f"+{key}={value}" for key, value in values.items())
    short = re.sub(r"[\s\[\]{}'\"]", "", text)
    plain = re.sub(r"[^\w.+=,-]", "_", short, flags=re.ASCII)
    if plain == short and len(plain) <= 100:
        return plain
    return f"{plain[:100]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _read(path: Path, changes: _Settings, mistakes: Mistakes) -> StudyFile:
    """Read a study's file; of one with mistakes what is right, so that the rest is looked at too.

    Raises:
        InputError: If too little of it is right.
    """
    content = files.read(path)
    try:
        file = validate(StudyFile, content, path)
    except InputError as error:
        mistakes += getattr(error, "errors", [error])
        wrong = {(mistake.key or "").split(".")[0] for mistake in mistakes}
        with suppress(InputError):
            return validate(StudyFile, {k: content[k] for k in content.keys() - wrong}, path)
        raise
    if changes.study:
        return validate(StudyFile, override(content, changes.study), "--set")
    return file


def _look_up(
    path: Path,
    file: StudyFile,
    protocol: str,
    source: str | Path,
    changes: _Settings,
    names: tuple[str, str],
    mistakes: Mistakes,
    *,
    whole: bool,
) -> Study | None:
    """Look up what a study names; what is wrong is added to the mistakes.

    What its entries mean together is looked at only where the file is whole, all of it right.
    """
    space = base = None
    with mistakes:
        space = load_search_space(file.search_space, source=path)
    with mistakes:
        base = load_protocol(protocol, source=source)
        if changes.protocol:
            base = changed(base, changes.protocol, "--set")
        if not file.trains:
            base = base.model_copy(update={"train": False})
    spaces: dict[str, SearchSpace] = {}
    protocols: dict[str, Protocol] = {}
    for name, arm in file.named.items():
        key = f"arms.{name}" if name in file.arms else f"controls.{name}"
        with mistakes:
            if arm.protocol and base is not None:
                protocols[name] = changed(base, arm.protocol, path, f"{key}.protocol")
        with mistakes:
            space_of = space
            if arm.search_space not in {None, file.search_space}:
                space_of = load_search_space(
                    str(arm.search_space), source=path, key=f"{key}.search_space"
                )
                spaces[name] = space_of
            protocol_of = protocols.get(name, base)
            images = protocol_of.dataset.images if protocol_of else None
            entries = [*arm.ranges, *(["search_space"] if arm.search_space else [])]
            if entries and not (arm.pretrain and images is None):
                why = f"images of {images}" if arm.pretrain else "no pre-training"
                raise InputError(path, f"{key}.{entries[0]}", None, f"has no effect: {why}")
            if space_of is not None:
                space_of.check(arm.ranges, path, key)
    if whole:
        mistakes += _problems(path, file, space)
        mistakes += _problems_of_search(path, file, base)
    if space is None or base is None:
        return None
    return Study(names[0], path, file, space, base, names[1], spaces, protocols)


def _problems(path: Path, file: StudyFile, space: SearchSpace | None) -> Iterator[InputError]:
    """Yield what the entries of a whole file do not mean together."""
    if not file.arms and file.sampler is None:
        yield InputError(path, None, None, "varies nothing; give it arms, or a sampler and vary")
    yield from _problems_of_baseline(path, file)
    if file.sampler is not None and not file.vary:
        yield InputError(path, "vary", None, "a sampler needs the parameters that it may vary")
    if file.sampler is None and file.vary:
        yield InputError(path, "vary", list(file.vary), "needs a sampler; arms name their ranges")
    tasks = file.published.tasks if file.published else {}
    for task, arm in ((task, arm) for task, known in tasks.items() for arm in known.accuracy):
        if arm not in file.named:
            key = f"published.tasks.{task}.accuracy.{arm}"
            yield InputError(path, key, None, f"no arm of the study; {nearest(arm, file.named)}")
    yield from _problems_of_vary(path, file, space) if space else ()


def _problems_of_vary(path: Path, file: StudyFile, space: SearchSpace) -> Iterator[InputError]:
    """Yield what a sampler cannot move, or not so far."""
    for parameter, inside in file.vary.items():
        if parameter not in space.parameters:
            yield space.unknown(parameter, path, f"vary.{parameter}")
        elif inside is not None:
            try:
                space.parameters[parameter].within(*inside)
            except ValueError as error:
                yield InputError(path, f"vary.{parameter}", plain(inside), str(error))


_UNTRAINED = "without accuracy among the objectives nothing is trained; remove it, or add accuracy"


def _problems_of_baseline(path: Path, file: StudyFile) -> Iterator[InputError]:
    """Yield where the arms have nothing to be compared with."""
    controls = file.controls or ()
    if len(set(controls)) < len(controls):
        yield InputError(path, "controls", mode(controls), "stands there twice; drop one")
    if controls and not file.trains:
        yield InputError(path, "controls", list(controls), _UNTRAINED)
    if file.baseline is None and not file.named_controls:
        yield InputError(path, "baseline", None, "is missing, and there is no control; name an arm")
    elif file.baseline is not None and file.baseline not in file.named:
        if file.baseline in CONTROLS:
            remedy = f"add it to controls: {written([*file.named_controls, file.baseline])}"
        else:
            remedy = f"no arm of this name; {nearest(file.baseline, file.named)}"
        yield InputError(path, "baseline", file.baseline, remedy)


def _problems_of_search(
    path: Path, file: StudyFile, protocol: Protocol | None
) -> Iterator[InputError]:
    """Yield where a sampler or a pruner does not go with the rest of a file."""
    pruner = file.pruner
    if pruner.name != "none" and not file.trains:
        yield InputError(path, "pruner.name", pruner.name, _UNTRAINED)
    if file.trains and protocol and not protocol.train:
        remedy = "is an objective, and the protocol trains nothing"
        yield InputError(path, "objectives.0", ACCURACY, remedy)
    for name, arm in file.arms.items():
        if not (arm.pretrain or file.trains):
            yield InputError(path, f"arms.{name}.pretrain", False, _UNTRAINED)
    if len(file.objectives) > 1:
        if file.sampler is not None and file.sampler.name == "cmaes":
            remedy = "has one objective; for two take nsga2, tpe or gp"
            yield InputError(path, "sampler.name", file.sampler.name, remedy)
        if pruner.name != "none":
            remedy = "an arm with two objectives cannot be stopped early; remove pruner"
            yield InputError(path, "pruner.name", pruner.name, remedy)
    if pruner.name == "wilcoxon" and file.replicates <= pruner.pairs:
        remedy = (
            f"too few for the pruner wilcoxon: {pruner.pairs} pairs give "
            f"p = {0.5**pruner.pairs:.2g} at best, the first below its threshold of "
            f"{pruner.threshold:g}; it needs more than {pruner.pairs} replicates to save any"
        )
        yield InputError(path, "replicates", file.replicates, remedy)
    if pruner.name not in {"none", "wilcoxon"} and protocol and not protocol.pretrain.rungs:
        remedy = "the protocol has no rungs at which it could act"
        yield InputError(path, "pruner.name", pruner.name, remedy)
