import random
import re
from contextlib import suppress
from pathlib import Path

import pytest

from explorer import files, formulas
from explorer.errors import InputError, InputErrors, visible
from explorer.study import (
    Protocol,
    load_protocol,
    load_search_space,
    load_studies,
    load_study,
)
from tests.conftest import STUDY


def test_shipped_studies_load_under_every_protocol():
    names = [name for name, _ in files.available("studies")]
    assert "frequency_range" in names
    for name in names:
        for protocol, _ in files.available("protocols"):
            study = load_study(name, protocol=protocol)
            assert (None in study.arms.values()) == study.protocol.train


def test_frequency_range_asks_for_what_the_readme_says():
    study = load_study("frequency_range")
    assert study.name == "frequency_range"
    assert study.varied == ("frequency",)
    assert study.planned == 4 * 3
    assert study.arms["best_practice"] == {"frequency": (0, 20)}
    assert study.space.complete({})["orbits"] == (1, 200)


def test_an_arm_may_name_the_search_space_of_the_study(write_study):
    write_study(STUDY.replace("{frequency: [0, 0]}", "{search_space: visual_atom}"))
    study = load_study("mine")
    assert study.arm_spaces == {}
    assert study.arms["circles"] == {}


def test_another_protocol_is_another_study(study):
    assert study.name == "mine"
    other = load_study("mine", protocol="laptop")
    assert other.name == "mine@laptop"
    assert load_study("mine", protocol="smoke").name == "mine"


def test_the_working_directory_comes_before_the_package(write_study):
    write_study(name="frequency_range")
    assert load_study("frequency_range").planned == 6


def test_a_study_can_be_named_by_its_path(write_study, tmp_path):
    path = write_study()
    assert load_study(str(path)).name == "mine"
    with pytest.raises(InputError, match=r"no such study file"):
        load_study(str(tmp_path / "absent.yaml"))


@pytest.mark.parametrize("name", ["..", ".", "-x", "a b", "mine@smoke", "x" * 65])
def test_a_file_whose_name_others_cannot_take_is_refused(write_study, name):
    """Logs, reports and half-done trials are named after a study; '..' would leave their folder."""
    write_study(name=name)
    with pytest.raises(InputError, match="a file is named by letters"):
        load_study(f"studies/{name}.yaml")
    with pytest.raises(InputError, match="no study of this name"):
        load_study(name)


def test_names_in_a_study_file_may_be_paths_beside_it(write_study, folder):
    (folder / "studies" / "noise.yaml").write_text("formula: perlin\n")
    (folder / "studies" / "quick.yaml").write_text(SMOKE)
    text = STUDY.replace("protocol: smoke", "protocol: ./quick.yaml")
    write_study(text.replace("{frequency: [0, 0]}", "{search_space: ./noise.yaml}"))
    assert load_study("mine").protocol == load_protocol("smoke")
    assert load_study("mine").space_of("circles") == load_search_space("perlin")


def test_controls_are_arms_by_name(write_study):
    write_study(STUDY + "controls: [scratch_fan_in, scratch, shuffled]\n")
    study = load_study("mine")
    assert list(study.arms) == ["scratch_fan_in", "scratch", "shuffled", "circles", "waves"]
    assert study.arms["scratch_fan_in"] is None
    assert study.arms["shuffled"] == {}
    assert study.protocol_of("scratch") == study.protocol
    fan_in = study.protocol_of("scratch_fan_in")
    assert fan_in.from_scratch.model.initialisation == "fan_in"
    assert fan_in.model.initialisation == "timm"  # which pre-trained arms go on with
    assert study.protocol_of("shuffled").finetune.weights == "shuffled"
    assert study.varied == ("orbits", "frequency")
    definition = study.definition()
    assert definition["controls"] == ["scratch_fan_in", "scratch", "shuffled"]
    assert definition["baseline"] == "scratch_fan_in"
    write_study(STUDY + "controls: []\nbaseline: waves\n")
    assert list(load_study("mine").arms) == ["circles", "waves"]


SAMPLER = "sampler: {name: tpe, samples: 3}"
ALONE = "objectives: [variety.vendi_pixels]"
TWO = "objectives: [accuracy, variety.vendi_pixels]"
SEARCHED = STUDY.replace("arms:", f"{SAMPLER}\nvary: [frequency]\narms:")
CIRCLES = "{frequency: [0, 0]}"
IMAGES = "{dataset: {images: a, categories: 2, instances: 9}}"

# What is right in a study, what is written instead, what the line must say.
WRONG = [
    ("replicates: 2", "replicas: 2", "replicas: 2: unknown key; did you mean 'replicates'?"),
    ("replicates: 2", "replicates: true", "replicates: true: write a whole number"),
    ("replicates: 2", 'replicates: "2"', "replicates: '2': write a whole number"),
    ("replicates: 2", "replicates: 2.5", "replicates: 2.5: write a whole number"),
    ("replicates: 2", "replicates: 2\nreplicates: 3", "line 5, column 1: is not valid YAML: found"),
    ("replicates: 2", "baseline: wave", "baseline: 'wave': no arm of this name; did you mean 'wav"),
    ("replicates: 2", "baseline: shuffled", "add it to controls: ['scratch', 'shuffled']"),
    ("replicates: 2", "controls: []", "baseline: is missing, and there is no control; name an arm"),
    (
        "replicates: 2",
        "controls: [scrath]",
        "controls.0: 'scrath': unknown; did you mean 'scr",
    ),
    ("replicates: 2", "controls: [shuffled, shuffled]", "controls: 'shuffled': stands there twice"),
    ("A study for a test.", "3", "description: 3: write text"),
    ("search_space: visual_atom\n", "", "search_space: is missing"),
    ("visual_atom", "visual_atoms", "no search space of this name; did you mean 'visual_atom'?"),
    ("smoke", "smok", "'smok': no protocol of this name; did you mean 'smoke'?"),
    ("[0, 0]", "[9, 3]", "arms.circles.frequency: [9, 3]: low is above high; write [3, 9]"),
    ("[0, 0]", "[0, 5000]", "frequency: [0, 5000]: its high end must lie in [0, 1000]"),
    ("[0, 0]", "[0, .inf]", "its high end must lie in"),
    ("[0, 0]", "[0, 1.5]", "arms.circles.frequency: [0, 1.5]: must be an integer"),
    ("[0, 0]", '["0", 1]', "frequency: ['0', 1]: write two numbers"),
    ("frequency: [0, 0]", "freq: 0", "freq: no parameter of the search space of visual_atom; did"),
    (CIRCLES, "[1, 2]", "arms.circles: [1, 2]: write a mapping"),
    (CIRCLES, "{search_space: perlim}", "'perlim': no search space of this name; did you"),
    (CIRCLES, "{search_space: perlin, orbits: 5}", "arms.circles.orbits: no parameter of"),
    (CIRCLES, "{frequency: [0, 999], search_space: perlin}", "its high end must lie in [0, 256]"),
    (CIRCLES, "{protocol: {datasets: {a: 4}}}", "'datasets': unknown; did you mean 'dataset'?"),
    (CIRCLES, "{protocol: {resources: {cpus: 2}}}", "protocol.resources: 'resources': unknown"),
    (CIRCLES, "{protocol: {dataset: {category: 4}}}", "category: 4: unknown key; did you mean"),
    (CIRCLES, "{protocol: {dataset: {categories: 1}}}", "categories: 1: must be at least 2"),
    (CIRCLES, "{pretrain: false, frequency: 0}", "arms.circles.frequency: has no effect: no pre"),
    (CIRCLES, f"{{search_space: rcdb, protocol: {IMAGES}}}", "has no effect: images of a"),
    ("circles:", "scratch:", "arms.scratch: 'scratch': this name is taken by a control"),
    ("circles:", "sample-0000:", "arms.sample-0000: 'sample-0000': this name is taken"),
    ("circles:", "NA:", "arms.NA: 'NA': programs that read tables take this name for a missing"),
    ("circles:", "../circles:", "arms.../circles: '../circles': a name has letters"),
    ("circles:", "5:", "arms.5: a key is text; write it in quotes"),
    ("circles:", '"\\e[31m":', r"arms.\x1b[31m: '\x1b[31m': a name has letters"),
    ("  circles", "\tcircles", "is not valid YAML"),
    (STUDY[STUDY.index("arms:") :], "", "varies nothing; give it arms, or a sampler and vary"),
    ("arms:", f"{SAMPLER}\narms:", "vary: a sampler needs the parameters that it may vary"),
    ("arms:", "vary: [frequency]\narms:", "vary: ['frequency']: needs"),
    ("arms:", f"{SAMPLER}\nvary: [nois]\narms:", "vary.nois: no parameter of the search"),
    ("arms:", f"{SAMPLER}\nvary: [noise, noise]\narms:", "noise stands there twice; drop one"),
    (
        "arms:",
        f"{SAMPLER}\nvary: {{noise: [30, 40]}}\narms:",
        "must be two values inside of [0, 20]",
    ),
    ("arms:", f"{SAMPLER}\nvary: {{noise: lots}}\narms:", "vary.noise: 'lots': write two numbers"),
    ("arms:", "sampler: tpee\nvary: [noise]\narms:", "'tpee': unknown; did you"),
    ("arms:", "sampler: [tpe]\narms:", "sampler: ['tpe']: write a mapping of name, samples"),
    ("arms:", "sampler: {name: tpe, n: 3}\narms:", "sampler.n: 3: unknown k"),
    ("arms:", "pruner: medium\narms:", "pruner.name: 'medium': unknown; did you mean 'median'?"),
    ("arms:", "pruner: {name: none, startup: 3}\narms:", "startup has no effect for none; remove"),
    ("arms:", "pruner: {name: median, startup: 0}\narms:", "pruner.startup: 0: must be at least 1"),
    ("arms:", "pruner: wilcoxon\narms:", "too few for the pruner wilcoxon: 4 pairs give p = 0.062"),
    ("arms:", f"{TWO}\npruner: median\narms:", "two objectives cannot be stopped early"),
    ("arms:", "objectives: [variety.ink_coverage, accuracy]\narms:", "]: accuracy comes first"),
    ("arms:", "objectives: [{accuracy: minimize}]\narms:", "]: accuracy comes first"),
    ("arms:", f"{ALONE}\narms:", "baseline: is missing, and there is no control; name an arm"),
    ("arms:", f"{ALONE}\nbaseline: waves\ncontrols: [shuffled]\narms:", "without accuracy among"),
    ("arms:", f"{ALONE}\nbaseline: waves\npruner: median\narms:", "without accuracy among the"),
    ("arms:", "objectives: [accuracy, accuracy]\narms:", "accuracy stands there twice"),
    ("arms:", "objectives: [accuracy, variety.x]\narms:", "no trial measures variety.x"),
    ("arms:", "objectives: [accuracy, {variety.x: up}]\narms:", "'up': unknown; there is maximize"),
]


@pytest.mark.parametrize(("right", "wrong", "line"), WRONG, ids=[w for _, w, _ in WRONG])
def test_a_wrong_study_is_one_clear_line(write_study, right, wrong, line):
    assert right in STUDY
    write_study(STUDY.replace(right, wrong))
    with pytest.raises(InputError) as caught:
        load_study("mine")
    assert str(caught.value).startswith("studies/mine.yaml: ")
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "input should" not in str(caught.value)


def test_cmaes_has_one_objective(write_study):
    write_study(SEARCHED.replace("tpe", "cmaes"))
    load_study("mine")
    write_study(SEARCHED.replace("tpe", "cmaes") + f"{TWO}\n")
    with pytest.raises(InputError, match=r"sampler\.name: 'cmaes': has one objective; for two"):
        load_study("mine")


def test_a_pruner_needs_rungs(write_study, folder):
    (folder / "protocols").mkdir()
    (folder / "protocols" / "bare.yaml").write_text(SMOKE.replace("[0.5, 1.0]", "[]"))
    write_study(STUDY + "pruner: {name: median}\n")
    with pytest.raises(InputError, match="the protocol has no rungs at which it could act"):
        load_study("mine", protocol="bare")
    write_study(STUDY.replace("replicates: 2", "replicates: 6\npruner: {name: wilcoxon}"))
    load_study("mine", protocol="bare")


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "just words\n"])
def test_a_file_that_is_no_mapping(write_study, content):
    write_study(content)
    with pytest.raises(InputError, match="a mapping of keys to values is needed"):
        load_study("mine")


SPACE = """\
description: A space for a test.
formula: visual_atom
parameters:
  frequency: {low: [0, 60], high: [0, 60], default: [0, 20]}
"""

SMOKE = dict(files.available("protocols"))["smoke"].read_text()
WRONG_PARTS = [
    (SPACE, "visual_atom", "visual_atm", "formula: 'visual_atm': unknown; did you"),
    (SPACE, "frequency:", "freq:", "parameters.freq"),
    (SPACE, "high: [0, 60]", "high: [0, 60000]", "parameters.frequency.high"),
    (SPACE, "low: [0, 60]", "low: [60, 0]", "frequency.low: [60, 0]: low is above high"),
    (SPACE, "default: [0, 20]", "default: [0, 70]", "default: [0, 70]: its high end"),
    (SPACE, "low: [0, 60]", "low: [0, 90]", "bounds of low must not lie above"),
    (SMOKE, "categories: 8", "categories: 0", "dataset.categories: 0: "),
    (SMOKE, "optimiser: muon", "optimiser: moun", "pretrain.optimiser: 'moun'"),
    (SMOKE, "canvas: 64", "canvas: 8", "canvas: 8: "),
    (SMOKE, "name: digits", "name: digit", "downstream.name: 'digit': no task named 'digit'; did"),
    (SMOKE, "description:", "descriptoin:", "unknown key; did you mean 'description'?"),
    (SMOKE, "downstream: {", "resources: {cpus: 1} #", "downstream: is missing"),
]


@pytest.mark.parametrize(
    ("text", "right", "wrong", "line"), WRONG_PARTS, ids=[w[2] for w in WRONG_PARTS]
)
def test_a_wrong_search_space_or_protocol_is_one_clear_line(folder, text, right, wrong, line):
    assert right in text
    (folder / "mine.yaml").write_text(text.replace(right, wrong))
    with pytest.raises(InputError) as caught:
        (load_search_space if text == SPACE else load_protocol)("./mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_digest_of_a_protocol_is_that_of_what_changes_scores():
    smoke = load_protocol("smoke")
    prose = smoke.model_copy(update={"description": "other words"})
    more = smoke.dataset.model_copy(update={"instances": 99})
    larger = smoke.model_copy(update={"dataset": more})
    assert prose.digest() == smoke.digest()
    assert larger.digest() != smoke.digest()


def test_the_definition_is_plain_data_and_complete(study):
    definition = study.definition()
    assert definition["arms"] == {
        "scratch": None,
        "circles": {"frequency": [0.0, 0.0]},
        "waves": {"frequency": [0.0, 20.0], "orbits": [1.0, 50.0]},
    }
    assert definition["protocol"]["name"] == "smoke"
    assert definition["objectives"] == [{"accuracy": "maximize"}]
    assert definition["search_space"]["formula"] == "visual_atom"


def test_the_studies_in_the_readme_are_right(write_study):
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    arms, sampler, more = re.findall(r"```yaml\n(.*?)```", readme, flags=re.DOTALL)[:3]
    write_study(arms, name="noise")
    study = load_study("noise")
    assert study.planned == 6 * 3
    assert study.varied == ("orbits", "noise")
    write_study(arms + sampler, name="noise")
    assert load_study("noise").planned == (6 + 40) * 3
    for line in more.splitlines():  # each by itself: two objectives and a pruner do not go together
        write_study(arms + sampler + line, name="noise")
        load_study("noise")


@pytest.mark.parametrize("name", formulas.BUILT_IN)
def test_the_name_of_a_formula_is_a_search_space(name, monkeypatch):
    monkeypatch.setattr(files, "available", lambda _: [])
    space = load_search_space(name)
    formula = formulas.get(name)
    assert formula.resolve(space.complete({})) == formula.resolve()
    limits = {parameter.name: (parameter.low, parameter.high) for parameter in formula.parameters}
    for parameter, bounds in space.parameters.items():
        (member, *_) = formula.groups.get(parameter, (parameter,))
        assert bounds.low == bounds.high == limits[member]


NARROWED = [
    # What a file says of frequency, whose formula has 0 to 1000 and 0 to 20 by default.
    ("{}", ((0, 1000), (0, 1000), (0, 20))),
    ("{low: [0, 5]}", ((0, 5), (0, 1000), (0, 20))),
    ("{low: [0, 5], default: [2, 9]}", ((0, 5), (0, 1000), (2, 9))),
    ("{high: [10, 60]}", ((0, 60), (10, 60), (0, 20))),
    ("{default: 3}", ((0, 1000), (0, 1000), (3, 3))),
]


@pytest.mark.parametrize(("entry", "bounds"), NARROWED)
def test_a_file_narrows_what_the_formula_says(folder, entry, bounds):
    text = f"formula: visual_atom\nparameters: {{frequency: {entry}}}\n"
    (folder / "space.yaml").write_text(text)
    space = load_search_space("./space.yaml")
    frequency = space.parameters["frequency"]
    assert (frequency.low, frequency.high, frequency.default) == bounds
    assert space.parameters["orbits"].default == (1, 200)
    assert "frequency_1" not in space.parameters


def test_a_member_of_a_group_may_be_bounded_alone(folder):
    text = "formula: visual_atom\nparameters: {frequency_1: {high: [0, 9], default: [0, 3]}}\n"
    (folder / "space.yaml").write_text(text)
    space = load_search_space("./space.yaml")
    assert space.parameters["frequency_1"].high == (0, 9)
    assert space.parameters["frequency_2"].default == (0, 20)
    assert "frequency" not in space.parameters


def test_several_downstream_tasks_have_names_of_their_own(folder):
    two = "[{name: digits}, {name: imagefolder, path: photos/flowers}]"
    digits = "{name: digits, train_size: 100, test_fraction: 0.2}"
    assert digits in SMOKE
    (folder / "two.yaml").write_text(SMOKE.replace(digits, two))
    protocol = load_protocol("two.yaml")
    assert [task.title for task in protocol.downstream] == ["digits", "flowers"]
    assert load_protocol("smoke").model_dump(mode="json")["downstream"]["name"] == "digits"
    assert Protocol.model_validate(protocol.model_dump(mode="json")) == protocol
    (folder / "two.yaml").write_text(SMOKE.replace(digits, f"[{digits}, {digits}]"))
    with pytest.raises(InputError, match="two tasks named digits"):
        load_protocol("two.yaml")


def test_all_mistakes_are_said_at_once(write_study):
    text = STUDY.replace("replicates: 2", "replicas: 2\nseed: true\nbaseline: wave")
    text = text.replace("protocol: smoke", "protocol: smok").replace("[0, 0]", "[9, 3]")
    write_study(text.replace("orbits:", "orbit:"))
    with pytest.raises(InputErrors) as caught:
        load_studies("mine")
    assert [error.key for error in caught.value.errors] == [
        "seed",
        "replicas",
        "protocol",
        "arms.circles.frequency",
        "arms.waves.orbit",
    ]
    write_study(STUDY.replace("replicates: 2", "baseline: wave").replace("smoke", "smok"))
    with pytest.raises(InputErrors, match=r"protocol: 'smok'.*\n.*baseline|baseline.*\n.*protocol"):
        load_studies("mine")


def test_one_number_is_both_ends_and_a_sampler_needs_no_mapping(write_study):
    text = STUDY.replace("[0, 0]", "5").replace("circles: {frequency: 5}", "circles: {orbits: 5}")
    write_study(text + "sampler: tpe\nvary: [frequency]\n")
    study = load_study("mine")
    assert study.arms["circles"] == {"orbits": (5, 5)}
    assert (study.file.sampler.name, study.file.sampler.samples) == ("tpe", 40)


# What YAML libraries raise for, or read as something that no entry is.
YAML = {
    "an impossible date": ("2026-02-30", None),
    "a date": ("2026-02-03", None),
    "an endless number": ("9" * 5000, "line "),
    "no character": ('"\\U00110000"', "line "),
    "a tag": ("!!int x", "line 1"),
    "an unknown tag": ("!mine x", "line 1"),
    "brackets": ("[" * 500 + "]" * 500, "nested"),
    "a list as a key": ("{[1, 2]: 3}", "a key is text"),
    "half a character": ('"\\ud800"', "half of a surrogate pair"),
    "a NUL": ('"a\\0b"', "NUL"),
    "itself": ("&a [*a]", "nested"),
    "a call": ("!!python/object/apply:os.mkdir [owned]", "line 1"),
    "a set": ("!!set {a, b}", "write text, numbers, lists and mappings"),
    "bytes": ("!!binary aGVsbG8=", "is a bytes; write text"),
    "an alias bomb": (
        "[&a [x,x,x,x,x,x,x,x,x,x], "
        + ", ".join(f"&{k} [{','.join([f'*{j}'] * 10)}]" for j, k in ["ab", "bc", "cd", "de", "ef"])
        + "]",
        "holds more than",
    ),
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("value", "line"), YAML.values(), ids=YAML)
def test_whatever_a_yaml_library_makes_of_it_is_one_line(value, line):
    text = f"description: {value}\n"
    if line is None:
        assert files.parse(text, "mine.yaml") == {"description": value}
        return
    with pytest.raises(InputError) as caught:
        files.parse(text, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")
    assert "\n" not in str(caught.value)
    assert line in str(caught.value)


OVERRIDES = [
    # Another kind starts from its own defaults.
    (
        {"downstream": {"name": "imagefolder", "path": "photos"}},
        {"downstream": {"name": "imagefolder", "path": "photos", "train_size": None}},
    ),
    ({"downstream": {"train_size": 50}}, {"downstream": {"name": "digits", "train_size": 50}}),
    (
        {"pretrain": {"optimiser": "adamw"}},
        {"pretrain": {"matrix_learning_rate": None, "learning_rate": 1e-3, "epochs": 1}},
    ),
    ({"finetune": {"epochs": 9}}, {"finetune": {"epochs": 9, "batch_size": 50}}),
]


@pytest.mark.parametrize(("changes", "outcome"), OVERRIDES)
def test_an_override_replaces_what_it_names(write_study, changes, outcome):
    write_study(STUDY.replace("{frequency: [0, 0]}", f"{{protocol: {changes}}}"))
    content = load_study("mine").protocol_of("circles").model_dump(mode="json")
    for part, entries in outcome.items():
        assert content[part] == {**content[part], **entries}


def test_another_optimiser_needs_a_learning_rate_of_its_own(write_study):
    arm = "{protocol: {finetune: {optimiser: sgd}}}"
    write_study(STUDY.replace("{frequency: [0, 0]}", arm))
    with pytest.raises(InputError, match=r"arms\.circles\.protocol\.finetune\.learning_rate: is m"):
        load_study("mine")


def test_images_of_a_folder_count_themselves(write_study, folder):
    from PIL import Image

    for name, count in (("cat", 3), ("dog", 2), ("owl", 5)):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(count):
            Image.new("L", (16, 16)).save(folder / "photos" / name / f"{number}.png")
    arm = "{protocol: {dataset: {images: photos}}}"
    write_study(STUDY.replace("{frequency: [0, 0]}", arm))
    dataset = load_study("mine").protocol_of("circles").dataset
    assert (dataset.categories, dataset.instances, dataset.lack()) == (3, 2, None)
    write_study(STUDY.replace("{frequency: [0, 0]}", arm.replace("photos", "photos, instances: 3")))
    lack = load_study("mine").protocol_of("circles").dataset.lack()
    assert lack.startswith("has 2 classes of so many images; wanted are 3 of 3")
    write_study(STUDY.replace("{frequency: [0, 0]}", arm.replace("photos", "nosuch")))
    with pytest.raises(InputError, match=r"arms\.circles\.protocol\.dataset: images: nosuch: no f"):
        load_study("mine")


def test_settings_make_a_study_of_its_own_named_by_what_changed(write_study):
    write_study()
    study = load_study("mine", settings=["pretrain.epochs=3", "arms.circles.frequency=1..4"])
    assert study.name == "mine+arms.circles.frequency=1..4+pretrain.epochs=3"
    assert study.protocol.pretrain.epochs == 3
    assert study.arms["circles"] == {"frequency": (1, 4)}
    assert study.definition()["protocol"]["name"] == "smoke+pretrain.epochs=3"
    assert load_study("mine", protocol="laptop", seed=7).name == "mine+seed=7@laptop"
    assert load_study("mine", replicates=5).planned == 3 * 5
    assert load_study("mine", replicates=5).name == "mine"
    other = load_study("mine", settings=["downstream={name: imagefolder, path: a/b}"])
    assert re.fullmatch(r"mine\+downstream=name_imagefolder,path_a_b-[0-9a-f]{8}", other.name)
    assert other.protocol.downstream[0].test_fraction is None


WRONG_SETTINGS = [
    ("pretrain.epoch=3", "--set: pretrain.epoch: 3: unknown key; did you mean 'epochs'?"),
    ("pretain.epochs=3", "--set: pretain.epochs: no part of a study or a protocol; did you mean"),
    ("pretrain.epochs", "--set: 'pretrain.epochs': write KEY=VALUE"),
    ("pretrain=3", "--set: pretrain: 3: write a mapping of epochs, batch_size"),
    ("pretrain.epochs=[", "--set: pretrain.epochs: '[': is not valid YAML"),
    ("pretrain.epochs=many", "--set: pretrain.epochs: 'many': write a whole number"),
    ("sampler.samples=3", "--set: sampler.name: is missing"),
]


@pytest.mark.parametrize(("setting", "line"), WRONG_SETTINGS)
def test_a_wrong_setting_is_one_clear_line(write_study, setting, line):
    write_study()
    with pytest.raises(InputError) as caught:
        load_study("mine", settings=[setting])
    assert str(caught.value).startswith(line)


@pytest.mark.timeout(60)
def test_only_input_errors_come_out_of_mutated_files(folder):
    """Two thousand mutants of the shipped files, made by a seeded generator."""
    generator = random.Random(0)
    pieces = ["[", "]", "{", "}", ": ", "\n", "  ", "-1", "1e400", "true", "null", "&a ", "*a"]
    pieces += ['"', "'", "é", "!!int ", "\u202e", "2026-02-30", "#", ",", "~", "0x1F", "\t", "\0"]
    loads = {"studies": load_studies, "protocols": load_protocol}
    loads["search_spaces"] = load_search_space
    texts = [
        (load, p.read_text()) for kind, load in loads.items() for _, p in files.available(kind)
    ]
    right = 0
    for number in range(2000):
        load, text = generator.choice(texts)
        for _ in range(generator.randint(1, 3)):
            start = generator.randrange(len(text))
            end = min(len(text), start + generator.choice([0, 1, 1, 5, 40]))
            text = text[:start] + generator.choice([*pieces, text[start:end] * 2]) + text[end:]
        path = folder / f"mutant{number}.yaml"
        path.write_text(text)
        with suppress(InputError):
            load(str(path))
            right += 1
        path.unlink()
    assert 200 < right < 1800


def test_control_characters_are_shown_and_not_executed():
    error = InputError("mine.yaml", "a\x1b[2Jb", "c\x07", "d\u202ee\ud800")
    assert str(error) == r"mine.yaml: a\x1b[2Jb: 'c\x07': d\u202ee\ud800"
    assert visible("Käse 日本\n\u2028") == "Käse 日本\n\\u2028"


def test_published_numbers_are_of_arms_of_the_study(write_study):
    published = "published: {source: a paper, tasks: {C100: {noise: 1, accuracy: %s}}}\n"
    write_study(STUDY + published % "{circles: 60, wave: 80.5}")
    with pytest.raises(InputError, match=r"published.tasks.C100.accuracy.wave: no arm .*waves"):
        load_study("mine")
    write_study(STUDY + published % "{circles: 60, waves: 805}")
    with pytest.raises(InputError, match=r"accuracy.waves: 805: must be at most 100"):
        load_study("mine")
    write_study(STUDY + published % "{scratch: 57.7, waves: 80.5}")
    kept = load_study("mine").definition()["published"]["tasks"]["C100"]
    assert kept == {"noise": 1.0, "accuracy": {"scratch": 57.7, "waves": 80.5}}


def test_the_seconds_of_a_protocol_are_of_trials_that_train():
    laptop = load_protocol("laptop")
    assert laptop.expected_seconds == pytest.approx(190)
    assert load_study("variety").protocol.expected_seconds is None
