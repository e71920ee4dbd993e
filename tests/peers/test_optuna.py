"""A study of ours opens in Optuna's command line and in its visualisations, unchanged.

docs/peers.md says what opens where.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from explorer import search
from explorer import store as db
from explorer import study as config
from explorer.scores import Rung
from tests.conftest import a_postgres_database
from tests.report.conftest import definition, failure, finished_trials, trial

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def url(request, tmp_path_factory) -> Iterator[str]:
    """Either database, with a study in it that has all that a study may have."""
    sqlite = f"sqlite:///{tmp_path_factory.mktemp('peers')}/study.db"
    made = nullcontext(sqlite) if request.param == "sqlite" else a_postgres_database()
    with made as address:
        _fill(address)
        yield address


def _fill(url: str) -> None:
    storage = db.connect(url, create=True)
    with db.disposing(storage):
        study = optuna.create_study(study_name="mine", direction="maximize", storage=storage)
        study.set_metric_names(["accuracy"])
        study.set_user_attr("definition", definition(name="mine"))
        ranges = {"frequency": (20, 60)}
        study.add_trials(
            [
                *finished_trials(),
                trial("high", 3, 0.4, state=TrialState.PRUNED, stopped="stopped", **ranges),
                failure("high", 4, "ValueError: bad", **ranges),
                trial("high", 5, state=TrialState.RUNNING, **ranges),
            ]
        )
        study.enqueue_trial({"frequency.low": 0, "frequency.high": 9}, user_attrs={"arm": "next"})


def by_optuna(url: str, *arguments: str) -> str:
    program = [str(Path(sys.executable).parent / "optuna"), *arguments, "--storage", url]
    ran = subprocess.run(program, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_optunas_command_line_reads_it(url):
    names = [one["name"] for one in json.loads(by_optuna(url, "studies", "-f", "json"))]
    assert names == ["mine"]
    trials = json.loads(by_optuna(url, "trials", "--study-name", "mine", "-f", "json"))
    assert len(trials) == 16
    best = json.loads(by_optuna(url, "best-trial", "--study-name", "mine", "-f", "json"))
    assert (best["number"], best["user_attrs"]["arm"]) == (10, "best_practice")


PLOTS = (
    "contour",
    "edf",
    "intermediate_values",
    "optimization_history",
    "parallel_coordinate",
    "param_importances",
    "rank",
    "slice",
    "timeline",
)


@pytest.mark.parametrize("name", PLOTS)
def test_optunas_visualisations_draw_it(url, name):
    import optuna.visualization

    with db.disposing(db.connect(url)) as storage:
        study = optuna.load_study(study_name="mine", storage=storage)
        figure = getattr(optuna.visualization, f"plot_{name}")(study)
    assert figure.data


@pytest.fixture
def two_objectives(write_study, sqlite_url):
    """Two arms of a study with two objectives, finished by our queue."""
    write_study(
        "description: Two.\nsearch_space: visual_atom\nprotocol: smoke\n"
        "objectives: [accuracy, variety.vendi_features]\n"
        "arms:\n  circles: {frequency: [0, 0]}\n  waves: {frequency: [0, 20]}\n"
    )
    study = config.load_study("mine")
    with db.disposing(db.connect(sqlite_url, create=True)) as storage:
        queue = search.Queue(storage, study, "run")
        queue.recover()
        while (proposal := queue.take()) is not None:
            queue.report(proposal.number, Rung(128, 0.3, 2.0, 1.0))
            variety = {"variety.vendi_features": 10.0 + proposal.number}
            queue.complete(proposal.number, 0.5, {} if proposal.ranges is None else variety)
        yield storage


def test_two_objectives(two_objectives):
    import optuna.visualization

    study = optuna.load_study(study_name="mine", storage=two_objectives)
    pretrained = [t for t in study.get_trials() if t.user_attrs["ranges"] is not None]
    assert len(pretrained) == 6
    assert optuna.visualization.plot_pareto_front(study).data
    figure = optuna.visualization.plot_slice(study, target=lambda t: t.values[0])
    assert figure.data


def test_a_frame_of_optunas(url):
    with db.disposing(db.connect(url)) as storage:
        frame = optuna.load_study(study_name="mine", storage=storage).trials_dataframe()
    assert len(frame) == 16
    assert {"params_frequency.low", "user_attrs_arm"} <= set(frame.columns)
