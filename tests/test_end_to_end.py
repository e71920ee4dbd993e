"""Whole studies through the real command line, Ray, torch and SQLite, and out again."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

STUDY = """\
description: Circles against waves.
search_space: visual_atom
protocol: smoke
replicates: 2
arms:
  circles: {frequency: [0, 0]}
  waves: {frequency: [0, 20]}
"""
ALL = [(arm, r) for arm in ("circles", "scratch", "waves") for r in (0, 1)]
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
    return out


def rows(folder: Path, name: str = "mine", state: str = "COMPLETE") -> pd.DataFrame:
    """Read the replicates of a study, by SQL alone."""
    query = "SELECT * FROM explorer_replicates WHERE study = ? AND state = ? ORDER BY id"
    with sqlite3.connect(f"file:{folder}/explorer.db?mode=ro", uri=True) as database:
        return pd.read_sql(query, database, params=(name, state))


def pairs(frame: pd.DataFrame) -> list[tuple[str, int]]:
    return sorted(zip(frame["arm"], frame["replicate"], strict=True))


def write(folder: Path, kind: str, name: str, text: str) -> None:
    (folder / kind).mkdir(exist_ok=True)
    (folder / kind / f"{name}.yaml").write_text(text)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder in which the study has been run; with what was printed."""
    folder = tmp_path_factory.mktemp("study")
    write(folder, "studies", "mine", STUDY)
    return folder, explorer(folder, "run-study", "mine", "--workers", "2")


def test_the_table_and_the_places_are_printed(done):
    folder, printed = done
    assert re.search(r"waves +frequency 0.20 +\d", printed)
    assert re.search(r"scratch +no pre-training +\d", printed)
    assert "Study mine compares 3 arms under protocol smoke (finished)." in printed
    for place in ("explorer.db", "reports/mine.md", ".explorer/logs/mine.log"):
        assert place in printed
        assert (folder / place).exists()


def test_a_stock_optuna_reads_the_study_an_arm_per_trial(done):
    study = optuna.load_study(study_name="mine", storage=f"sqlite:///{done[0]}/explorer.db")
    frame = rows(done[0])
    assert pairs(frame) == ALL
    assert frame["accuracy"].between(0.1, 1).all()
    trials = {trial.user_attrs["arm"]: trial for trial in study.trials}
    assert set(trials) == {"circles", "waves"}  # scratch is no point of the space
    for arm, trial in trials.items():
        assert trial.state == TrialState.COMPLETE
        assert trial.value == pytest.approx(frame["accuracy"][frame["arm"] == arm].mean())
        assert trial.user_attrs["n"] == 2
        assert trial.user_attrs["ranges"]["frequency"] == [0, 0 if arm == "circles" else 20]
        # 8 categories x 32 instances, seen once, probed half-way and at the end.
        assert list(trial.intermediate_values) == [128, 256, 384, 512]
    assert study.best_trial.user_attrs["arm"] in trials


def test_tables_pages_and_figures_have_the_scores_of_the_database(done):
    folder, _ = done
    wanted = [f"out/t{e}" for e in (".md", ".tex", ".json", ".html")]
    outputs = [text for path in wanted for text in ("--output", path)]
    paths = explorer(folder, "report", "mine", *outputs, "--figures", "out/figures").splitlines()
    assert paths[: len(wanted)] == wanted
    assert any(path.endswith(".pdf") for path in paths)
    for path in paths:
        assert (folder / path).stat().st_size > 0
    means = rows(folder).groupby("arm")["accuracy"].mean()
    arms = json.loads((folder / "out/t.json").read_text())["arms"]
    assert {arm["name"]: arm["accuracy"]["mean"] for arm in arms} == pytest.approx(dict(means))
    for path in ("out/t.md", "out/t.tex"):
        lines = (folder / path).read_text().splitlines()
        row = next(line for line in lines if re.match(r"\W*waves\b", line))
        printed = float(re.search(r"([\d.]+) (?:±|\$\\pm)", row)[1])
        assert printed == pytest.approx(100 * means["waves"], abs=0.6)


def test_status_list_and_estimate(done):
    folder, _ = done
    assert "mine" in explorer(folder, "status")
    state = json.loads(explorer(folder, "status", "mine", "--format", "json"))
    assert state["study"] == "mine"
    assert "6" in explorer(folder, "status", "mine", "--watch")
    estimate = ("run-study", "mine", "--estimate", "--replicates", "3", "--workers", "1")
    printed = explorer(folder, *estimate)
    assert re.search(r"mine +smoke +9 +3 ", printed)
    assert "trials have taken" in printed  # what they have taken here, not what the protocol says


def test_a_finished_study_is_shown_again_and_not_run_again(done):
    folder, printed = done
    again = explorer(folder, "run-study", "mine")
    assert again.splitlines()[-5:] == printed.splitlines()[-5:]
    assert len(rows(folder)) == 6


def test_a_setting_is_a_study_of_its_own_and_more_replicates_are_not(done, tmp_path):
    folder = shutil.copytree(done[0], tmp_path / "copy")
    changes = ("--replicates", "1", "--set", "finetune.epochs=2")
    printed = explorer(folder, "run-study", "mine", *changes)
    name = "mine+finetune.epochs=2"
    assert f"Starting {name}: 3 trials under protocol smoke+finetune.epochs=2" in printed
    assert len(rows(folder, name)) == 3
    assert (folder / "reports" / f"{name}.md").is_file()
    explorer(folder, "run-study", "mine", "--replicates", "3")
    assert pairs(rows(folder)) == [
        (arm, r) for arm in ("circles", "scratch", "waves") for r in range(3)
    ]


def test_fresh_archives_and_the_same_seed_gives_the_same_score(done, tmp_path):
    """Another run, with one worker instead of two, repeats every score to the last bit."""
    folder = shutil.copytree(done[0], tmp_path / "copy")
    anew = ("--fresh", "--recompute", "--workers", "1", "--replicates", "1")
    printed = explorer(folder, "run-study", "mine", *anew)
    archived = re.search(r"Archiving mine as (mine\.archived-\S+)\.", printed)
    assert archived is not None
    first, again = rows(folder, archived[1]), rows(folder)
    assert pairs(first) == ALL
    assert pairs(again) == [(arm, replicate) for arm, replicate in ALL if replicate == 0]
    assert again["cached_from"].isna().all()
    both = again.merge(first, on=["arm", "replicate", "result_key"], suffixes=("", "_before"))
    assert len(both) == 3
    assert list(both["accuracy"]) == list(both["accuracy_before"])


def wait_for_trials(folder: Path, process: subprocess.Popen[str], count: int) -> None:
    """Wait until a running study has some finished replicates and one in flight."""
    while process.poll() is None:
        try:
            if len(rows(folder)) >= count and len(rows(folder, state="RUNNING")):
                return
        except (sqlite3.Error, pd.errors.DatabaseError):
            pass  # the database is still to be made
        time.sleep(0.2)
    raise AssertionError(process.communicate())


def test_a_study_goes_on_whenever_and_however_it_was_stopped(tmp_path):
    write(tmp_path, "studies", "mine", STUDY)
    before: dict[int, float] = {}
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
        frame = rows(tmp_path)
        now = dict(zip(frame["id"], frame["accuracy"], strict=True))
        assert before.items() < now.items()
        assert len(now) < 6
        before = now

    explorer(tmp_path, "run-study", "mine", "--workers", "2")
    after = rows(tmp_path)
    assert pairs(after) == ALL
    assert before.items() <= dict(zip(after["id"], after["accuracy"], strict=True)).items()
    lost = rows(tmp_path, state="FAIL")
    assert len(lost) >= 2  # one at every stop
    assert set(lost["failure_kind"]) == {"interrupted"}
    again = after.merge(lost, on=["arm", "replicate"], suffixes=("", "_lost"))
    assert len(again) >= 2
    assert (again["attempt"] > again["attempt_lost"]).all()
    assert (again["seed"] == again["seed_lost"]).all()
    assert [*again["ranges"].fillna("")] == [*again["ranges_lost"].fillna("")]


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
    # smoke with the smallest vision transformer of timm
    smoke = (Path(__file__).parents[1] / "protocols" / "smoke.yaml").read_text()
    smaller = smoke.replace("vit_tiny_patch16_224", "test_vit")
    write(tmp_path, "studies", "ladder", LADDER)
    write(tmp_path, "studies", "again", LADDER.replace("[short, longer]", "longer"))
    write(tmp_path, "protocols", "short", smaller)
    write(tmp_path, "protocols", "longer", smaller.replace("instances: 32", "instances: 48"))
    printed = explorer(tmp_path, "run-study", "ladder", "--workers", "2")
    assert "fidelity  reports/ladder-fidelity.md" in printed
    page = (tmp_path / "reports" / "ladder-fidelity.md").read_text()
    assert explorer(tmp_path, "report", "ladder") == page
    assert "short" in page
    assert "Study ladder@short" in explorer(tmp_path, "report", "ladder@short").replace("\\", "")
    assert list((tmp_path / ".explorer" / "checkpoints").iterdir()) == []

    # Another study of the same arms has nothing left to compute.
    explorer(tmp_path, "run-study", "again")
    taken = rows(tmp_path, "again")
    sources = {row.arm: row.cached_from.split("/")[0] for row in taken.itertuples()}
    # From scratch nothing is pre-trained, so that it was the same under both protocols.
    pretrained = dict.fromkeys(("circles", "waves", "corners"), "ladder@longer")
    assert sources == {"scratch": "ladder@short", **pretrained}
