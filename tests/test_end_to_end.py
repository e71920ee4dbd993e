"""Whole studies through the real command line, Ray, torch and SQLite, and out again."""

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from explorer.cli import main

STUDY = """\
description: Circles against waves.
search_space: visual_atom
protocol: smoke
replicates: 2
arms:
  circles: {frequency: [0, 0]}
  waves: {frequency: [0, 20]}
"""
SLOTS = [(arm, r) for arm in ("circles", "scratch", "waves") for r in (0, 1)]
EXPLORER = [sys.executable, "-c", "from explorer.cli import main; main()"]

pytestmark = pytest.mark.end_to_end


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*EXPLORER, *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def explorer(folder: Path, *arguments: str, code: int = 0) -> str:
    with start(folder, *arguments) as process:
        out, err = process.communicate(timeout=500)
    assert process.returncode == code, f"{out}\n{err}"
    return out if code != 2 else err


def load(folder: Path, name: str = "mine") -> optuna.Study:
    return optuna.load_study(study_name=name, storage=f"sqlite:///{folder}/explorer.db")


def complete(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return study.get_trials(states=(TrialState.COMPLETE,))


def slot(trial) -> tuple[str, int]:
    return trial.user_attrs["arm"], trial.user_attrs["replicate"]


def slots(trials) -> list[tuple[str, int]]:
    return sorted(map(slot, trials))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder in which the study has been run; with what was printed."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "studies").mkdir()
    (folder / "studies" / "mine.yaml").write_text(STUDY)
    return folder, explorer(folder, "run-study", "mine", "--workers", "2")


def test_the_table_and_the_places_are_printed(done):
    folder, printed = done
    assert re.search(r"waves +frequency 0.20 +\d", printed)
    assert re.search(r"scratch +no pre-training +\d", printed)
    for place in ("explorer.db", "reports/mine.md", ".explorer/logs/mine.log"):
        assert place in printed
        assert (folder / place).exists()


def test_a_stock_optuna_reads_the_study(done):
    trials = complete(load(done[0]))
    assert slots(trials) == SLOTS
    for trial in trials:
        assert 0.1 < trial.value <= 1
        assert trial.user_attrs["accuracy.digits"] == trial.value
        assert trial.user_attrs["seconds.total"] > 0
        if trial.user_attrs["arm"] == "scratch":
            assert trial.params == {}
            continue
        assert trial.params["frequency.high"] in {0, 20}
        # 8 categories x 32 instances, seen once, probed half-way and at the end.
        assert list(trial.intermediate_values) == [128, 256]
        assert trial.user_attrs["variety.vendi_pixels"] > 1
        assert len(trial.user_attrs["dataset"]) == 64


def test_the_dashboard_reads_the_study(done):
    optuna_dashboard = pytest.importorskip("optuna_dashboard")
    app = optuna_dashboard.wsgi(f"sqlite:///{done[0]}/explorer.db")
    status = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/api/studies",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }
    body = b"".join(app(environ, lambda code, _headers, *_: status.append(code)))
    assert status == ["200 OK"]
    assert "mine" in body.decode()


def test_reports_agree_with_the_database(done):
    folder, _ = done
    scores = {}
    for trial in complete(load(folder)):
        scores.setdefault(trial.user_attrs["arm"], []).append(trial.value)
    found = json.loads(explorer(folder, "report", "mine", "--format", "json"))
    means = {arm["name"]: arm["accuracy"]["mean"] for arm in found["arms"]}
    assert means == {arm: pytest.approx(sum(v) / len(v)) for arm, v in scores.items()}
    for form in ("markdown", "latex"):
        table = explorer(folder, "report", "mine", "--format", form)
        row = next(line for line in table.splitlines() if re.match(r"\W*waves\b", line))
        shown = float(re.search(r"\d+\.\d+", row)[0])
        assert shown == pytest.approx(100 * means["waves"], abs=0.1)
    explorer(folder, "report", "mine", "--format", "csv", "--output", "reports/mine.csv")
    with (folder / "reports" / "mine.csv").open() as file:
        assert {row["arm"] for row in csv.DictReader(file)} == set(means)


def test_status_list_and_doctor(done):
    folder, _ = done
    assert "mine" in explorer(folder, "status")
    assert "6" in explorer(folder, "status", "mine")
    listed = explorer(folder, "list")
    for name in ("mine", "frequency_range", "visual_atom", "laptop"):
        assert name in listed
    assert "numba" in explorer(folder, "doctor")


def test_a_finished_study_is_shown_again_and_not_run_again(done):
    folder, printed = done
    again = explorer(folder, "run-study", "mine")
    assert again.splitlines()[-5:] == printed.splitlines()[-5:]
    assert len(load(folder).trials) == 6


def test_fresh_archives_and_the_same_seed_gives_the_same_score(done, tmp_path):
    """Another run, with one worker instead of two, repeats every score to the last bit."""
    folder = shutil.copytree(done[0], tmp_path / "copy")
    (folder / "studies" / "mine.yaml").write_text(STUDY.replace("replicates: 2", "replicates: 1"))
    anew = ("--fresh", "--recompute", "--workers", "1")
    printed = explorer(folder, "run-study", "mine", *anew)
    archived = re.search(r"Archiving mine \(6 trials\) as (mine\.archived-\w+)\.", printed)
    assert archived is not None
    first = complete(load(folder, archived[1]))
    assert slots(first) == SLOTS
    before = {slot(trial): (trial.value, trial.user_attrs.get("dataset")) for trial in first}
    again = complete(load(folder))
    assert slots(again) == [(arm, replicate) for arm, replicate in SLOTS if replicate == 0]
    for trial in again:
        assert "cached_from" not in trial.user_attrs
        assert (trial.value, trial.user_attrs.get("dataset")) == before[slot(trial)]


def wait_for_trials(folder: Path, process: subprocess.Popen[str], count: int) -> None:
    """Wait until a running study has some finished trials and one in flight."""
    for line in process.stdout:
        if "trials done" in line:  # from here on there is a database
            break
    while process.poll() is None:
        states = [trial.state for trial in load(folder).trials]
        if states.count(TrialState.COMPLETE) >= count and TrialState.RUNNING in states:
            return
        time.sleep(0.2)
    raise AssertionError(process.communicate())


def test_a_study_goes_on_whenever_and_however_it_was_stopped(tmp_path):
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "mine.yaml").write_text(STUDY)
    before = {}
    for how in (signal.SIGINT, signal.SIGKILL):
        with start(tmp_path, "run-study", "mine", "--workers", "2") as process:
            wait_for_trials(tmp_path, process, len(before) + 1)
            if how == signal.SIGKILL:
                os.killpg(process.pid, how)  # the whole program at once
            else:
                process.send_signal(how)
            out, err = process.communicate(timeout=60)
        assert process.returncode == (-9 if how == signal.SIGKILL else 130), f"{out}\n{err}"
        if how != signal.SIGKILL:
            assert "the same command goes on" in err
        now = {t.number: t.value for t in complete(load(tmp_path))}
        assert before.items() < now.items()
        assert len(now) < 6
        before = now

    explorer(tmp_path, "run-study", "mine", "--workers", "2")
    trials = load(tmp_path).trials
    after = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert slots(after) == SLOTS
    assert before.items() <= {t.number: t.value for t in after}.items()
    lost = [trial for trial in trials if trial.state == TrialState.FAIL]
    assert len(lost) >= 2  # one at every stop
    for trial in lost:
        assert trial.user_attrs["failure"].startswith("interrupted")
        again = next(t for t in trials if t.user_attrs.get("continues") == trial.number)
        for key in ("arm", "replicate", "seed", "ranges"):
            assert again.user_attrs[key] == trial.user_attrs[key]


WRONG = [
    (("run-study", "frequency_rnage"), "did you mean 'frequency_range'?"),
    (("run-study", "mine", "--protocol", "gpu"), "laptop"),
    (("run-study", "broken"), "studies/broken.yaml: replicates: 0: "),
    (("run-study", "mine", "--storage", "explorer.db"), "write sqlite:///FILE.db"),
    (("report", "mine"), "there is no such database"),
    (("status",), "there is no such database"),
    (
        ("render", "visual_atm", "--output", "x", "--categories", "1", "--instances", "1"),
        "did you mean 'visual_atom'?",
    ),
    (("preview", "visual_atom", "--set", "frequency=20..0"), "low is above high"),
    (("preview", "visual_atom", "--set", "frequency"), "write KEY=LOW..HIGH"),
    (
        ("preview", "visual_atom", "--canvas", "64", "--size", "128"),
        "--size: 128: must be in 1..64",
    ),
    (("no-such-command",), "No such command"),
]


@pytest.mark.parametrize(("arguments", "line"), WRONG, ids=[" ".join(w[0]) for w in WRONG])
def test_wrong_input_is_one_line_and_writes_nothing(tmp_path, monkeypatch, capsys, arguments, line):
    """In this process: eleven more would be started for their imports alone."""
    studies = tmp_path / "studies"
    studies.mkdir()
    (studies / "mine.yaml").write_text(STUDY)
    (studies / "broken.yaml").write_text(STUDY.replace("replicates: 2", "replicates: 0"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["explorer", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr().err
    assert end.value.code == 2, said
    assert line in said
    assert "Traceback" not in said
    if arguments[0] != "no-such-command":  # click adds a line of usage
        assert len(said.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["studies"]


LADDER = """\
description: Circles, waves and corners.
search_space: visual_atom
protocol: [short, longer]
replicates: 1
arms:
  circles: {frequency: [0, 0]}
  waves: {frequency: [0, 20]}
  corners: {quantization: [3, 8]}
"""


def test_a_study_under_two_protocols_reports_its_fidelity(tmp_path):
    for folder, name, text in (
        ("studies", "ladder", LADDER),
        ("studies", "again", LADDER.replace("[short, longer]", "longer")),
        ("protocols", "short", smaller()),
        ("protocols", "longer", smaller().replace("instances: 32", "instances: 48")),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.yaml").write_text(text)
    printed = explorer(tmp_path, "run-study", "ladder", "--workers", "2")
    assert "fidelity  reports/ladder-fidelity.md" in printed
    page = (tmp_path / "reports" / "ladder-fidelity.md").read_text()
    assert explorer(tmp_path, "report", "ladder") == page
    assert "as fine-tuning under longer does" in page
    rows = [line.split(" | ")[:3] for line in page.splitlines() if line.startswith("| ")][1:]
    assert [(row[0][2:], row[1]) for row in rows if not row[0].startswith("| :")] == [
        (protocol, measured)
        for protocol in ("short", "longer")
        for measured in (*("probe", "pre-training loss") * 2, "fine-tuning")
    ]
    assert "Study ladder@short" in explorer(tmp_path, "report", "ladder@short").replace("\\", "")
    assert list((tmp_path / ".explorer" / "checkpoints").iterdir()) == []

    # Another study of the same arms has nothing left to compute.
    explorer(tmp_path, "run-study", "again")
    taken = complete(load(tmp_path, "again"))
    sources = {t.user_attrs["arm"]: t.user_attrs["cached_from"].split("#")[0] for t in taken}
    # From scratch nothing is pre-trained, so that it was the same under both protocols.
    pretrained = dict.fromkeys(("circles", "waves", "corners"), "ladder@longer")
    assert sources == {"scratch": "ladder@short", **pretrained}


def smaller() -> str:
    """Return smoke with the smallest vision transformer of timm."""
    smoke = (Path(__file__).parents[1] / "protocols" / "smoke.yaml").read_text()
    return smoke.replace("vit_tiny_patch16_224", "test_vit")
