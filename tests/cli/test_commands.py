"""Commands in the terminal: what they print, refuse and leave."""

import json
import os
import re
import subprocess
import sys

import pytest
from PIL import Image

from explorer import files, store
from explorer.cli.images import read_ranges
from explorer.errors import InputError
from explorer.runner import submit  # noqa: F401  (the module, to be changed)
from explorer.study import load_protocol, load_study
from tests.conftest import STUDY
from tests.report import rows

PROGRAM = [sys.executable, "-c", "from explorer.cli import main; main()"]


def run(*arguments, **options):
    """Run a command as a program of its own."""
    return subprocess.run(
        [*PROGRAM, *arguments], stderr=subprocess.PIPE, text=True, check=False, **options
    )


WRONG = [
    (("run-study", "frequency_rnage"), "did you mean 'frequency_range'?"),
    (("run-study", "mine", "--protocol", "gpu"), "laptop"),
    (("run-study", "broken"), "studies/broken.yaml: replicates: 0: must be at least 1"),
    (("run-study", "mine", "--storage", "explorer.db"), "write sqlite:///FILE.db"),
    (("run-study", "mine", "--set", "pretrain.epoch=3"), "did you mean 'epochs'?"),
    (("run-study", "photos"), "arms.photos.protocol.dataset.images: 'nosuch': has 0 classes"),
    (("run-study", "photos", "--estimate"), "'nosuch': has 0 classes"),
    (("check", "photos"), "'nosuch': has 0 classes"),
    (("report", "mine"), "there is no such database"),
    (("report", "mine", "--output", "t.xls"), "--output: 't.xls': end its name in .md, .csv"),
    (("report", "mine", "--trials", "t.md"), "--trials: 't.md': end its name in .csv, .json or"),
    (("status",), "there is no such database"),
    (("list", "frequency_rnage"), "no study and no formula; did you mean 'frequency_range'?"),
    (
        ("render", "visual_atm", "--output", "x", "--categories", "1", "--instances", "1"),
        "did you mean 'visual_atom'?",
    ),
    (("preview", "visual_atom", "--set", "frequency=20..0"), "low is above high"),
    (("preview", "visual_atom", "--set", "frequency"), "write KEY=LOW..HIGH"),
    (("preview", "visual_atom", "--output", "x.foo"), "--output: 'x.foo': end its name in .png"),
    (
        ("preview", "visual_atom", "--canvas", "64", "--size", "128"),
        "--size: 128: must be in 1..64",
    ),
    (("variety", "nosuch"), "'nosuch': there is no such folder, and no formula; there is bez"),
    (("variety", "no/such"), "'no/such': there is no such folder"),
    (("no-such-command",), "No such command"),
]


@pytest.mark.parametrize(("arguments", "line"), WRONG, ids=[" ".join(w[0]) for w in WRONG])
def test_wrong_input_is_one_line_and_writes_nothing(explorer, write_study, folder, arguments, line):
    write_study()
    write_study(STUDY.replace("replicates: 2", "replicates: 0"), name="broken")
    photos = "{protocol: {dataset: {images: nosuch, categories: 2, instances: 9}}}"
    write_study(f"{STUDY}  photos: {photos}\n", name="photos")
    code, out, err = explorer(*arguments)
    assert code == 2, err
    assert line in err
    assert out == ""
    assert "Traceback" not in err
    if arguments[0] != "no-such-command":  # click adds a line of usage
        assert len(err.strip().splitlines()) == 1
    assert [path.name for path in folder.iterdir()] == ["studies"]


def test_all_mistakes_of_all_files_are_said(explorer, write_study):
    write_study(STUDY.replace("replicates: 2", "replicas: 2").replace("[0, 0]", "[9, 3]"))
    code, _, err = explorer("check", "mine", "nosuch.yaml", "smoke")
    assert code == 2
    lines = err.strip().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("explorer: ") for line in lines)
    for line, part in zip(
        lines, ("replicas", "circles.frequency", "no such study file"), strict=True
    ):
        assert part in line


def test_an_estimate_says_trials_and_hours_and_writes_nothing(explorer, write_study, folder):
    write_study()
    (estimate,) = json.loads(explorer("check", "mine", "smoke", "perlin", "--format", "json")[1])
    assert (estimate["trials"], estimate["left"]) == (6, 6)
    assert estimate["hours"] == pytest.approx(6 * 3 / 3600 / estimate["workers"])
    estimating = ("run-study", "mine", "--estimate", "--workers", "2", "--replicates", "4")
    code, out, _ = explorer(*estimating)
    assert code == 0
    assert re.search(r"mine +smoke +12 +12 +2 +the protocol says 3 s +18 s", out)
    assert "Starting" not in out
    smoke = dict(files.available("protocols"))["smoke"].read_text()
    (folder / "noisy.yaml").write_text(f"replicate_std: 1.7\n{smoke}")
    assert load_protocol("noisy.yaml").digest() == load_protocol("smoke").digest()
    # Of Student's t with 6 degrees of freedom; by the normal distribution it would be 3.4.
    _, out, _ = explorer(*estimating, "--protocol", "noisy.yaml")
    assert "mine@noisy: a difference of 4.0 points between two arms is shown" in out
    (folder / "noisy.yaml").unlink()
    write_study(STUDY + "sampler: {name: tpe, samples: 6}\nvary: [frequency]\n")
    code, _, err = explorer("run-study", "mine", "--estimate")
    assert err.startswith("mine: the sampler tpe learns from 10 arms and more, and there are 8: ")
    assert explorer("run-study", "mine", "--estimate", "--samples", "9")[2] == ""
    assert [path.name for path in folder.iterdir()] == ["studies"]


def test_an_estimate_goes_by_what_trials_of_its_protocol_have_taken(explorer, write_study):
    write_study()
    protocol = load_study("mine").definition()["protocol"]
    circles = {"ranges": {"frequency": [0, 0]}}
    with store.connect("sqlite:///explorer.db", create=True) as database:
        earlier = [
            rows.row("scratch", 0, 0.5, seconds=10.0),
            rows.row("circles", 0, 0.5, **circles, seconds=100.0),
            rows.row("circles", 1, 0.5, **circles, seconds=200.0),
            rows.row("circles", 2, 0.5, **circles, seconds=0.0, cached_from="other/circles#2"),
        ]
        rows.make_study(database, "earlier", earlier, protocol=protocol)
        rows.make_study(database, "mine", earlier[:2], protocol=protocol)
        rows.make_study(database, "other", [rows.row("none", 0, 0.5, **circles, seconds=9e9)])
    options = ("--format", "json", "--storage", "sqlite:///explorer.db")
    (estimate,) = json.loads(explorer("check", "mine", *options)[1])
    assert (estimate["trials"], estimate["left"]) == (6, 4)
    pretrained, scratch = (100 + 200 + 100) / 3, 10
    seconds = 3600 * estimate["hours"] * estimate["workers"]
    assert seconds == pytest.approx(3 * pretrained + 1 * scratch)


def test_a_watch_waits_for_a_study_and_ends_with_it(explorer, folder, monkeypatch):
    url = f"sqlite:///{folder}/later.db"

    def begin(_):
        with store.connect(url, create=True) as database:
            rows.ablation(database, "later")

    monkeypatch.setattr("explorer.cli.look.time.sleep", begin)
    code, out, err = explorer("status", "later", "--watch", "--storage", url)
    assert code == 0
    assert err == f"Waiting for {url} to be made ...\n"
    assert "later: 12 of 12 trials done" in out


def test_list_shows_what_there_is_in_text_and_json(explorer, write_study):
    write_study(STUDY + "sampler: tpe\nvary: [frequency]\n")
    write_study("description: [\n", name="broken")
    code, out, _ = explorer("list")
    assert code == 0
    for name in ("mine", "frequency_range", "visual_atom", "laptop", "wrong: "):
        assert name in out
    everything = json.loads(explorer("list", "--format", "json")[1])
    assert list(everything) == ["studies", "search_spaces", "protocols", "formulas"]
    assert "visual_atom" in {formula["name"] for formula in everything["formulas"]}
    study = json.loads(explorer("list", "mine", "--format", "json")[1])
    assert [arm["name"] for arm in study["arms"]] == ["scratch", "circles", "waves"]
    assert study["arms"][2]["ranges"] == "frequency 0..20, orbits 1..50"
    assert study["varied"] == [
        {
            "parameter": "frequency",
            "low end": "0..1000",
            "high end": "0..1000",
            "scale": "logarithmic from 1",
        }
    ]
    assert "40 arms of the sampler tpe" in explorer("list", "mine")[1]
    parameters = json.loads(explorer("list", "perlin", "--format", "json")[1])["parameters"]
    assert "octaves" in {parameter["name"] for parameter in parameters}


def test_what_comes_from_outside_is_shown_and_not_executed(explorer, write_study):
    write_study(STUDY.replace("A study for a test.", '"\\e[2J\\u202e postgresql://u:pw@h/d"'))
    out = explorer("list")[1]
    assert "\x1b[2J" not in out
    assert "\u202e" not in out
    assert "pw@h" not in out


def test_variety_of_a_folder_in_json(explorer, folder):
    for name in ("a", "b"):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(4):
            image = Image.effect_noise((16, 16), 40 + 30 * number)
            image.save(folder / "photos" / name / f"{number}.png")
    code, out, _ = explorer("variety", "photos", "--size", "16", "--format", "json")
    assert code == 0
    assert json.loads(out)["measures"]["vendi_pixels"] > 1


def test_the_doctor_in_json(explorer, folder):
    code, out, _ = explorer("doctor", "--format", "json")
    findings = {finding["subject"]: finding for finding in json.loads(out)}
    assert code == any(finding["problem"] for finding in findings.values())
    assert "numba" in findings["packages"]["state"]
    assert findings["storage"]["state"].endswith("to be made by the first study")
    assert list(folder.iterdir()) == [folder / "studies"]


@pytest.mark.usefixtures("folder")
def test_a_full_device_is_one_line_and_a_closed_pipe_none():
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        ran = run("list", stdout=full)
    assert ran.returncode == 1
    assert ran.stderr == "explorer: the output cannot be written (No space left on device)\n"
    read, write = os.pipe()
    os.close(read)
    ran = run("list", stdout=write)
    os.close(write)
    assert (ran.returncode, ran.stderr) == (1, "")


@pytest.mark.usefixtures("folder")
def test_what_a_terminal_cannot_show_is_replaced():
    environment = {**os.environ, "PYTHONIOENCODING": "iso-8859-1", "COLUMNS": "200"}
    ran = run("list", "visual_atom", stdout=subprocess.PIPE, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert "Perlin noise per orbit (?)" in ran.stdout  # eta


def test_a_job_gets_every_option_and_is_named_by_its_study(explorer, write_study, monkeypatch):
    write_study()
    jobs = []

    class Client:
        list_jobs = staticmethod(list)
        submit_job = staticmethod(lambda **job: jobs.append(job))

    monkeypatch.setattr(sys.modules["explorer.runner.submit"], "_client", lambda _: Client)
    code, out, err = explorer(
        *("submit", "mine", "--address", "http://h:1", "--storage", "postgresql://h/d"),
        *("--set", "pretrain.epochs=3", "--set", "seed=4", "--replicates", "5", "--fresh"),
        *("--protocol", "laptop"),
    )
    assert (code, out) == (0, "explorer-mine+pretrain.epochs=3+seed=4@laptop\n")
    assert "explorer status mine+pretrain.epochs=3+seed=4@laptop --storage" in err
    assert jobs[0]["entrypoint"] == (
        "explorer run-study mine --address auto --storage postgresql://h/d --protocol laptop "
        "--set pretrain.epochs=3 --set seed=4 --replicates 5 --fresh"
    )


SETTINGS = {
    "no number": ("orbits=few", "'orbits=few': write KEY=LOW..HIGH or KEY=VALUE"),
    "not a number": ("orbits=nan", "orbits: [nan, nan]: must be in 0..2000"),
    "infinite": ("noise=0..inf", "noise: [0, inf]: must be in"),
    "unknown": ("orbit=1", "orbit: no parameter of visual_atom; did you mean 'orbits'?"),
}


@pytest.mark.parametrize(("setting", "line"), SETTINGS.values(), ids=SETTINGS)
def test_a_wrong_range_is_one_clear_line(setting, line):
    with pytest.raises(InputError) as caught:
        read_ranges(["visual_atom"], [setting])
    assert str(caught.value).startswith(f"--set: {line}")


def test_a_range_for_several_formulas_goes_to_those_that_have_it():
    names = ["visual_atom", "rcdb", "perlin"]
    assert read_ranges(names, ["orbits=1..9", "frequency=2", "octaves=1..3"]) == [
        {"orbits": (1, 9), "frequency": (2, 2)},
        {"orbits": (1, 9)},
        {"frequency": (2, 2), "octaves": (1, 3)},
    ]
    with pytest.raises(InputError, match="--set: octave: no parameter of visual_atom, perlin; did"):
        read_ranges(["visual_atom", "perlin"], ["octave=2"])
    with pytest.raises(InputError, match=r"--set: frequency of perlin: \[0, 900\]: must be in"):
        read_ranges(["visual_atom", "perlin"], ["frequency=0..900"])
