import re
from pathlib import Path

import pytest

from explorer import files, formulas
from explorer import study as config
from explorer.errors import InputError
from tests.conftest import STUDY


def test_shipped_studies_load_under_every_protocol():
    names = [name for name, _ in files.available("studies")]
    assert "frequency_range" in names
    for name in names:
        for protocol, _ in files.available("protocols"):
            study = config.load_study(name, protocol=protocol)
            assert study.arms[config.SCRATCH] is None


def test_frequency_range_asks_for_what_the_readme_says():
    study = config.load_study("frequency_range")
    assert study.name == "frequency_range"
    assert study.varied == ("frequency",)
    assert study.planned == 7 * 3
    assert study.arms["best_practice"] == {"frequency": (0, 20)}
    assert study.space.complete({})["orbits"] == (1, 200)


def test_contour_or_texture_compares_families_at_their_defaults():
    study = config.load_study("contour_or_texture")
    assert {arm: study.space_of(arm).formula for arm in study.file.arms} == {
        name: name for name in ("visual_atom", "rcdb", "perlin", "fractal", "exfractal")
    }
    assert all(arm.ranges == {} for arm in study.file.arms.values())
    assert study.varied == ()
    assert study.planned == 6 * 3


def test_an_arm_may_name_the_search_space_of_the_study(write_study):
    write_study(STUDY.replace("{frequency: [0, 0]}", "{search_space: visual_atom}"))
    study = config.load_study("mine")
    assert study.arm_spaces == {}
    assert study.arms["circles"] == {}


def test_another_protocol_is_another_study(study):
    assert study.name == "mine"
    other = config.load_study("mine", protocol="laptop")
    assert other.name == "mine@laptop"
    assert config.load_study("mine", protocol="smoke").name == "mine"


def test_the_working_directory_comes_before_the_package(write_study):
    write_study(name="frequency_range")
    assert config.load_study("frequency_range").planned == 6


def test_a_study_can_be_named_by_its_path(write_study, tmp_path):
    path = write_study()
    assert config.load_study(str(path)).name == "mine"
    with pytest.raises(InputError, match=r"no such study file"):
        config.load_study(str(tmp_path / "absent.yaml"))


@pytest.mark.parametrize("name", ["..", ".", "-x", "a b", "mine@smoke", "x" * 65])
def test_a_file_whose_name_others_cannot_take_is_refused(write_study, name):
    """Logs, reports and half-done trials are named after a study; '..' would leave their folder."""
    write_study(name=name)
    with pytest.raises(InputError, match="a file is named by letters"):
        config.load_study(f"studies/{name}.yaml")
    with pytest.raises(InputError, match="no study of this name"):
        config.load_study(name)


def test_names_beside_the_study_file_may_be_paths(write_study, folder):
    (folder / "studies" / "quick.yaml").write_text(
        dict(files.available("protocols"))["smoke"].read_text()
    )
    write_study(STUDY.replace("protocol: smoke", "protocol: ./quick.yaml"))
    assert config.load_study("mine").protocol == config.load_protocol("smoke")


def test_the_search_space_of_an_arm_may_be_a_path_too(write_study, folder):
    (folder / "studies" / "noise.yaml").write_text(
        dict(files.available("search_spaces"))["perlin"].read_text()
    )
    write_study(STUDY.replace("{frequency: [0, 0]}", "{search_space: ./noise.yaml}"))
    assert config.load_study("mine").space_of("circles") == config.load_search_space("perlin")


# What is wrong -> what the line must say. The file is always named first.
WRONG = {
    "unknown key": (
        "replicates: 2",
        "replicas: 2",
        "studies/mine.yaml: replicas: 2: unknown key; did you mean 'replicates'?",
    ),
    "low above high": (
        "frequency: [0, 0]",
        "frequency: [9, 3]",
        "arms.circles.frequency: [9, 3]: low is above high; write [3, 9]",
    ),
    "outside the space": (
        "frequency: [0, 0]",
        "frequency: [0, 5000]",
        "arms.circles.frequency: [0, 5000]: its high end must lie in [0, 1000]",
    ),
    "fraction of a whole number": (
        "frequency: [0, 0]",
        "frequency: [0, 1.5]",
        "arms.circles.frequency: [0, 1.5]: must be an integer",
    ),
    "unknown parameter": (
        "frequency: [0, 0]",
        "frequencies: [0, 0]",
        "arms.circles.frequencies: no parameter of the search space visual_atom; did you mean",
    ),
    "unknown search space of an arm": (
        "{frequency: [0, 0]}",
        "{search_space: perlim}",
        "arms.circles.search_space: 'perlim': no search space of this name; did you mean 'perlin'",
    ),
    "parameter of another search space": (
        "{frequency: [0, 0]}",
        "{search_space: perlin, orbits: [1, 5]}",
        "arms.circles.orbits: no parameter of the search space perlin; ",
    ),
    "outside the space of the arm": (
        "{frequency: [0, 0]}",
        "{search_space: perlin, frequency: [0, 999]}",
        "arms.circles.frequency: [0, 999]: its high end must lie in [0, 256]",
    ),
    "a list for an arm": ("{frequency: [0, 0]}", "[1, 2]", "arms.circles: [1, 2]: "),
    "one number for a range": (
        "frequency: [0, 0]",
        "frequency: 3",
        "arms.circles.frequency: 3: ",
    ),
    "unknown search space": (
        "search_space: visual_atom",
        "search_space: visual_atoms",
        "search_space: 'visual_atoms': no search space of this name; did you mean 'visual_atom'?",
    ),
    "unknown protocol": (
        "protocol: smoke",
        "protocol: smok",
        "protocol: 'smok': no protocol of this name; did you mean 'smoke'?",
    ),
    "zero replicates": ("replicates: 2", "replicates: 0", "replicates: 0: input should be greater"),
    "missing key": ("search_space: visual_atom\n", "", "search_space: is missing"),
    "unknown baseline": (
        "replicates: 2",
        "baseline: wave",
        "baseline: 'wave': no arm of this name; did you mean 'waves'?",
    ),
    "reserved arm": ("circles:", "scratch:", "arms.scratch: this name is taken"),
    "bad arm name": (
        "circles:",
        "../circles:",
        "arms.../circles: '../circles': a name has letters",
    ),
    "repeated key": (
        "replicates: 2",
        "replicates: 2\nreplicates: 3",
        "line 5, column 1: duplicate",
    ),
    "not yaml": ("replicates: 2", "replicates: [2", "is not valid YAML"),
    "tab": ("  circles", "\tcircles", "is not valid YAML"),
    "unknown sampler": (
        "arms:",
        "sampler: {name: tpee, samples: 3}\nvary: [frequency]\narms:",
        "sampler.name: 'tpee': unknown; did you mean 'tpe'?",
    ),
    "sampler without vary": (
        "arms:",
        "sampler: {name: tpe, samples: 3}\narms:",
        "vary: a sampler needs the parameters that it may vary",
    ),
    "vary without sampler": ("arms:", "vary: [frequency]\narms:", "vary: ['frequency']: needs"),
    "vary unknown": (
        "arms:",
        "sampler: {name: tpe, samples: 3}\nvary: [frequenzy]\narms:",
        "vary.0: 'frequenzy': no parameter of the search space visual_atom; did you mean 'freq",
    ),
    "nested unknown key": (
        "arms:",
        "sampler: {name: tpe, sample: 3}\nvary: [frequency]\narms:",
        "sampler.sample: 3: unknown key; did you mean 'samples'?",
    ),
}


@pytest.mark.parametrize(("right", "wrong", "line"), WRONG.values(), ids=WRONG)
def test_a_wrong_study_is_one_clear_line(write_study, right, wrong, line):
    assert right in STUDY
    write_study(STUDY.replace(right, wrong))
    with pytest.raises(InputError) as caught:
        config.load_study("mine")
    said = str(caught.value)
    assert said.startswith("studies/mine.yaml: ")
    assert line in said
    assert "\n" not in said


SEARCHED = STUDY.replace("arms:", "sampler: {name: tpe, samples: 3}\nvary: [frequency]\narms:")


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("pruner: {name: medium}", r"pruner\.name: 'medium': unknown; did you mean 'median'\?"),
        (
            "pruner: {name: median, reduction_factor: 3}",
            "reduction_factor has no effect for median",
        ),
        ("pruner: {name: none, startup: 3}", "pruner.startup has no effect for none; remove it"),
        ("pruner: {name: median, startup: 0}", r"pruner\.startup: 0: input should be greater"),
        ("pruner: {name: wilcoxon, threshold: 2}", r"pruner\.threshold: 2: input should be less"),
        (
            "pruner: {name: wilcoxon}",
            r"replicates: 2: too few for the pruner wilcoxon: 4 pairs give p = 0\.062 at best",
        ),
        ("objectives: [variety.vendi_features]", "objectives: the first is accuracy"),
        ("objectives: [{accuracy: minimize}]", "objectives: the first is accuracy"),
        ("objectives: [accuracy, accuracy]", "accuracy stands there twice"),
        (
            "objectives: [accuracy, variety.vendi]",
            r"objectives: variety\.vendi: nothing that trials measure; did you mean",
        ),
        ("objectives: [accuracy, {variety.vendi_pixels: up}]", "'up': unknown; there is maximize"),
        (
            "objectives: [accuracy, variety.vendi_pixels]\npruner: {name: median}",
            r"pruner\.name: 'median': a trial with two objectives cannot be stopped early",
        ),
    ],
)
def test_a_wrong_search_is_one_clear_line(write_study, more, line):
    write_study(f"{SEARCHED}{more}\n")
    with pytest.raises(InputError, match=line) as caught:
        config.load_study("mine")
    assert "\n" not in str(caught.value)
    assert "studies/mine.yaml" in str(caught.value)


def test_cmaes_has_one_objective(write_study):
    write_study(SEARCHED.replace("tpe", "cmaes"))
    config.load_study("mine")
    write_study(SEARCHED.replace("tpe", "cmaes") + "objectives: [accuracy, variety.vendi_pixels]\n")
    with pytest.raises(InputError, match=r"sampler\.name: 'cmaes': has one objective; for two"):
        config.load_study("mine")


def test_a_pruner_needs_rungs(write_study, folder):
    smoke = dict(files.available("protocols"))["smoke"].read_text()
    (folder / "protocols").mkdir()
    (folder / "protocols" / "bare.yaml").write_text(smoke.replace("[0.5, 1.0]", "[]"))
    write_study(STUDY + "pruner: {name: median}\n")
    with pytest.raises(InputError, match="the protocol bare has no rungs at which it could act"):
        config.load_study("mine", protocol="bare")
    write_study(STUDY.replace("replicates: 2", "replicates: 6\npruner: {name: wilcoxon}"))
    config.load_study("mine", protocol="bare")


def test_the_objectives_of_a_definition_are_as_they_were_written(write_study):
    write_study(f"{SEARCHED}objectives: [accuracy, {{variety.vendi_pixels: minimize}}]\n")
    said = config.load_study("mine").definition()["objectives"]
    assert said == [{"accuracy": "maximize"}, {"variety.vendi_pixels": "minimize"}]


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "just words\n"])
def test_a_file_that_is_no_mapping(write_study, content):
    write_study(content)
    with pytest.raises(InputError, match="a mapping of keys to values is needed"):
        config.load_study("mine")


def test_a_study_without_arms_or_sampler_varies_nothing(write_study):
    write_study(STUDY[: STUDY.index("arms:")])
    with pytest.raises(InputError, match="varies nothing"):
        config.load_study("mine")


def test_an_unknown_study_offers_the_nearest(folder):
    del folder
    with pytest.raises(InputError, match="did you mean 'frequency_range'"):
        config.load_study("frequency_rnage")


def test_python_objects_in_yaml_are_refused(write_study, tmp_path):
    write_study(f"description: !!python/object/apply:os.mkdir ['{tmp_path}/owned']\n")
    with pytest.raises(InputError, match="is not valid YAML"):
        config.load_study("mine")
    assert not (tmp_path / "owned").exists()


SETTINGS = {
    "no number": ("orbits=few", "'orbits=few': write KEY=LOW..HIGH or KEY=VALUE"),
    "not a number": ("orbits=nan", "orbits: [nan, nan]: must be in 0..2000"),
    "infinite": ("noise=0..inf", "noise: [0, inf]: must be in"),
    "unknown": (
        "orbit=1",
        "orbit: [1, 1]: unknown parameter of visual_atom; did you mean 'orbits'?",
    ),
}


@pytest.mark.parametrize(("setting", "line"), SETTINGS.values(), ids=SETTINGS)
def test_a_wrong_setting_is_one_clear_line(setting, line):
    with pytest.raises(InputError) as caught:
        config.parse_ranges("visual_atom", [setting])
    assert str(caught.value).startswith(f"--set: {line}")


def test_a_setting_for_several_formulas_goes_to_those_that_have_it():
    names = ["visual_atom", "rcdb", "perlin"]
    found = config.parse_shared_ranges(names, ["orbits=1..9", "frequency=2", "octaves=1..3"])
    assert found == [
        {"orbits": (1, 9), "frequency": (2, 2)},
        {"orbits": (1, 9)},
        {"frequency": (2, 2), "octaves": (1, 3)},
    ]


def test_a_setting_for_several_formulas_is_refused_where_none_has_it_or_one_cannot_draw():
    names = ["visual_atom", "perlin"]
    with pytest.raises(InputError) as caught:
        config.parse_shared_ranges(names, ["octave=2"])
    remedy = "no parameter of visual_atom, perlin; did you mean 'octaves'?"
    assert str(caught.value).startswith(f"--set: octave: {remedy}")
    with pytest.raises(
        InputError, match=r"--set: frequency of perlin: \[0, 900\]: must be in 0.0..256.0"
    ):
        config.parse_shared_ranges(names, ["frequency=0..900"])
    with pytest.raises(InputError, match="formula: 'perlim': unknown; did you mean 'perlin'"):
        config.parse_shared_ranges(["rcdb", "perlim"], [])


SPACE = """\
description: A space for a test.
formula: visual_atom
parameters:
  frequency: {low: [0, 60], high: [0, 60], default: [0, 20]}
"""

WRONG_SPACE = {
    "formula": ("visual_atom", "visual_atm", "formula: 'visual_atm': unknown; did you"),
    "parameter": ("frequency:", "freq:", "parameters.freq"),
    "beyond the formula": ("high: [0, 60]", "high: [0, 60000]", "parameters.frequency.high"),
    "bounds upside down": ("low: [0, 60]", "low: [60, 0]", "parameters.frequency: low: [60, 0]"),
    "default outside": ("default: [0, 20]", "default: [0, 70]", "default: [0, 70]: its high end"),
    "low beyond high": ("low: [0, 60]", "low: [0, 90]", "bounds of low must not lie above"),
    "empty": ("  frequency: {low: [0, 60], high: [0, 60], default: [0, 20]}", "  {}", "parameters"),
}


@pytest.mark.parametrize(("right", "wrong", "line"), WRONG_SPACE.values(), ids=WRONG_SPACE)
def test_a_wrong_search_space_is_one_clear_line(folder, right, wrong, line):
    (folder / "space.yaml").write_text(SPACE.replace(right, wrong))
    with pytest.raises(InputError) as caught:
        config.load_search_space("./space.yaml")
    assert str(caught.value).startswith("space.yaml: ")
    assert line in str(caught.value)


WRONG_PROTOCOL = {
    "zero categories": ("categories: 8", "categories: 0", "dataset.categories: 0: "),
    "unknown optimiser": ("optimiser: muon", "optimiser: moun", "pretrain.optimiser: 'moun'"),
    "canvas too small": ("canvas: 64", "canvas: 8", "canvas: 8: "),
    "unknown task": ("name: digits", "name: digit", "downstream.name: 'digit': unknown; did you"),
    "misspelt key": ("description:", "descriptoin:", "unknown key; did you mean 'description'?"),
    "missing key": (
        "downstream: {name: digits",
        "resources: {cpus: 1} #",
        "downstream: is missing",
    ),
}


@pytest.mark.parametrize(("right", "wrong", "line"), WRONG_PROTOCOL.values(), ids=WRONG_PROTOCOL)
def test_a_wrong_protocol_is_one_clear_line(folder, right, wrong, line):
    text = dict(files.available("protocols"))["smoke"].read_text()
    assert right in text
    (folder / "quick.yaml").write_text(text.replace(right, wrong))
    with pytest.raises(InputError) as caught:
        config.load_protocol("./quick.yaml")
    assert str(caught.value).startswith("quick.yaml: ")
    assert line in str(caught.value)


def test_the_digest_of_a_protocol_is_that_of_what_changes_scores():
    smoke = config.load_protocol("smoke")
    prose = smoke.model_copy(update={"description": "other words"})
    larger = smoke.model_copy(
        update={"dataset": smoke.dataset.model_copy(update={"instances": 99})}
    )
    assert prose.digest() == smoke.digest()
    assert larger.digest() != smoke.digest()


def test_the_definition_is_plain_data_and_complete(study):
    said = study.definition()
    assert said["arms"] == {
        "scratch": None,
        "circles": {"frequency": [0.0, 0.0]},
        "waves": {"frequency": [0.0, 20.0], "orbits": [1.0, 50.0]},
    }
    assert said["protocol"]["name"] == "smoke"
    assert said["search_space"]["formula"] == "visual_atom"


def test_the_studies_in_the_readme_are_right(write_study):
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    arms, sampler, more = re.findall(r"```yaml\n(.*?)```", readme, flags=re.DOTALL)[:3]
    write_study(arms, name="noise")
    study = config.load_study("noise")
    assert study.planned == 4 * 3
    assert study.varied == ("orbits", "noise")
    write_study(arms + sampler, name="noise")
    assert config.load_study("noise").planned == (4 + 40) * 3
    for line in more.splitlines():  # each by itself: two objectives and a pruner do not go together
        write_study(arms + sampler + line, name="noise")
        config.load_study("noise")


def test_shipped_search_spaces_have_their_formulas_defaults():
    names = [name for name, _ in files.available("search_spaces")]
    assert set(formulas.BUILT_IN) <= set(names)
    for name in names:
        space = config.load_search_space(name)
        assert space.formula == name
        formula = formulas.get(space.formula)
        assert formula.resolve(space.complete({})) == formula.resolve()


@pytest.mark.parametrize(
    ("arm", "line"),
    [
        (
            "{protocol: {datasets: {categories: 4}}}",
            "arms.circles.protocol.datasets: no part that an arm can change; did you mean",
        ),
        ("{protocol: {resources: {cpus: 2}}}", "arms.circles.protocol.resources: no part"),
        (
            "{protocol: {dataset: {category: 4}}}",
            "arms.circles.protocol.dataset.category: 4: unknown key; did you mean 'categories'",
        ),
        (
            "{protocol: {dataset: {categories: 1}}}",
            "arms.circles.protocol.dataset.categories: 1: input should be greater than or equal",
        ),
        ("{pretrain: false, frequency: [0, 0]}", "arms.circles.frequency: has no effect: no pre"),
        (
            "{search_space: rcdb, protocol: {dataset: {images: photos}}}",
            "arms.circles.search_space: has no effect: images of photos",
        ),
    ],
)
def test_what_sets_an_arm_apart_must_have_an_effect(write_study, arm, line):
    write_study(STUDY.replace("{frequency: [0, 0]}", arm))
    with pytest.raises(InputError, match=re.escape(line)):
        config.load_study("mine")


def test_several_downstream_tasks_have_names_of_their_own(folder):
    text = (files.find("protocols", "smoke", source="test")).read_text()
    two = "[{name: digits}, {name: imagefolder, path: photos/flowers}]"
    digits = "{name: digits, train_size: 100, test_fraction: 0.2}"
    assert digits in text
    (folder / "two.yaml").write_text(text.replace(digits, two))
    protocol = config.load_protocol("two.yaml")
    assert [task.title for task in protocol.downstream] == ["digits", "flowers"]
    assert config.Protocol.model_validate(protocol.model_dump(mode="json")) == protocol
    (folder / "two.yaml").write_text(text.replace(digits, f"[{digits}, {digits}]"))
    with pytest.raises(InputError, match="two tasks named digits"):
        config.load_protocol("two.yaml")


def test_one_downstream_task_is_written_as_one():
    said = config.load_protocol("smoke").model_dump(mode="json")
    assert said["downstream"]["name"] == "digits"
