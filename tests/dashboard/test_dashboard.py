"""What the dashboard shows of an arm and of a study, and that it is shown."""

import json
import socket
import sys
import threading
from contextlib import contextmanager
from urllib.request import urlopen

import numpy as np
import optuna
import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.trial import TrialState
from PIL import Image

from explorer import store
from explorer.dashboard import describe, describing, note, serve
from explorer.errors import InputError
from explorer.images import render
from tests.report import rows

dashboard = pytest.importorskip("optuna_dashboard")

EVIL = "a|b <script>`c`"
ARMS = {"scratch": None, "best_practice": {"frequency": [0, 20]}, EVIL: {"frequency": [3, 9]}}


@pytest.fixture
def database(tmp_path):
    """A study of three arms whose Optuna trials are not told yet."""
    with rows.connect(tmp_path) as database:
        scored = [
            rows.row(arm, r, 0.5 + r / 10 + len(arm) / 100, ranges=ARMS[arm], trial=number)
            for number, arm in ((None, "scratch"), (0, "best_practice"), (1, EVIL))
            for r in range(2)
        ]
        scored[-1] |= {"state": "FAIL", "accuracy": None, "reason": "OSError: <full>"}
        rows.make_study(database, "mine", scored, arms=ARMS)
        study = store.optuna_study(database, "mine")
        for _ in range(2):
            study.ask()
        yield database


def notes(database, number=None):
    study = store.optuna_study(database, "mine")
    if number is None:
        return dashboard.get_note(study)
    return dashboard.get_note(optuna.trial.Trial(study, study.trials[number]._trial_id))


def get(server, path):
    host, port = server.server_address[:2]
    return json.load(urlopen(f"http://{host}:{port}{path}", timeout=20))


@contextmanager
def served(database):
    with serve(database, port=0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def graphs(database):
    """The graphs of the study, as the dashboard itself reads them."""
    number = database.optuna.get_study_id_from_name("mine")
    with served(database) as server:
        plots = get(server, f"/api/studies/{number}?after=0")["plotly_graph_objects"]
    return {plot["id"]: json.loads(plot["graph_object"]) for plot in plots}


def test_an_arm_has_a_note_its_images_and_its_curves(database, tmp_path):
    describe(database, "mine", "best_practice", 0)
    text = notes(database, 0)
    assert "## best\\_practice" in text
    assert "**68.0 ± 7.1 %** accuracy, n = 2." in text
    assert "| 1 | 1 | COMPLETE | 73.0 | 60 s | box |" in text
    assert "| frequency | 0\N{EN DASH}20 |" in text
    assert "| Vendi score | 120 |" in text  # 120 and 121: three digits of 120.5

    trial = store.optuna_study(database, "mine").trials[0]
    assert trial.state == TrialState.RUNNING
    (meta,) = get_all_artifact_meta(trial, storage=database.optuna)
    assert (meta.filename, meta.mimetype) == ("images.png", "image/png")
    picture = np.asarray(Image.open(tmp_path / "explorer.artifacts" / meta.artifact_id))
    expected = render(
        "visual_atom", {**rows.DEFAULTS, "frequency": (0, 20)},
        categories=16, instances=6, canvas=128, size=96, seed=0,
    )  # fmt: skip
    assert picture.shape == (4 * 102 - 6, 6 * 102 - 6, 2)
    assert any(np.array_equal(picture[:96, :96, 0], image) for image in expected)

    curves = graphs(database)["explorer-arm-0"]
    probes = [trace for trace in curves["data"] if trace.get("xaxis") == "x2"]
    assert {trace["name"] for trace in probes} == {"replicate 0", "replicate 1"}
    assert curves["layout"]["title"]["text"] == "best_practice: Learning curves"


def test_what_users_name_stays_text(database):
    describe(database, "mine", EVIL, 1)
    text = notes(database, 1)
    assert "## a\\|b &lt;script&gt;\\`c\\`" in text
    assert "| 1 | 1 | FAIL: OSError: &lt;full&gt; |" in text
    note(database, "mine")
    assert "<script>" not in notes(database)


def test_a_study_shows_all_its_arms_and_our_figures(database):
    note(database, "mine")
    text = notes(database)
    assert text.startswith("## mine\n")
    assert all(f"\n| {name} |" in text for name in ("scratch", "best\\_practice"))
    names = {"explorer-accuracy", "explorer-ranges", "explorer-variety", "explorer-learning"}
    assert set(graphs(database)) == names
    note(database, "mine")  # again: the same ones
    assert set(graphs(database)) == names


def test_after_the_first_arms_only_images_are_kept(database, monkeypatch):
    monkeypatch.setattr(describing, "MOST", 1)
    describe(database, "mine", EVIL, 1)
    trial = store.optuna_study(database, "mine").trials[1]
    assert notes(database, 1) == ""
    assert len(get_all_artifact_meta(trial, storage=database.optuna)) == 1


def test_without_optuna_dashboard_a_run_goes_on_and_a_person_is_told(database, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    describe(database, "mine", "best_practice", 0)
    note(database, "mine")
    with (
        pytest.raises(InputError, match=r"needs optuna-dashboard: pip install 'fdsl-explorer\["),
        serve(database),
    ):
        pass


def test_it_listens_where_it_was_told(database, tmp_path):
    with served(database) as server:
        assert server.server_address[0] == "127.0.0.1"
        # A browser opens connections that it sends nothing over: they hold nobody up.
        with socket.create_connection(server.server_address[:2]):
            (study,) = get(server, "/api/studies")["study_summaries"]
    assert study["study_name"] == "mine"
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(InputError, match=r"--port: '127.0.0.1:\d+': cannot listen there"),
        serve(database, port=taken.getsockname()[1], artifacts=str(tmp_path / "a")),
    ):
        pass
