"""A study of ours opens in Optuna's command line and in its visualisations, as arms.

docs/peers.md says what opens where.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import optuna
import optuna.visualization
import pytest
from optuna.trial import TrialState

from explorer import store
from explorer import study as studies
from explorer.scores import Rung
from tests.conftest import a_postgres_database
from tests.store.play import run_all, scores

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

STUDY = """\
description: All that a study may have.
search_space: visual_atom
protocol: smoke
replicates: 2
sampler: {name: random, samples: 8}
vary: [frequency]
pruner: {name: successive_halving}
baseline: waves
arms:
  waves: {frequency: [0, 20]}
  noise: {search_space: perlin}
"""


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def url(request, tmp_path_factory) -> Iterator[str]:
    """Either database, with a study in it of which two replicates are still to come."""
    folder = tmp_path_factory.mktemp("peers")
    (folder / "mine.yaml").write_text(STUDY)
    sqlite = f"sqlite:///{folder}/study.db"
    made = nullcontext(sqlite) if request.param == "sqlite" else a_postgres_database()
    with made as address:
        with store.connect(address, create=True) as database:
            study = studies.load_study(str(folder / "mine.yaml"))
            run_all(database, study, probe=_probe, score=_probe)
            more = (folder / "mine.yaml").read_text().replace("samples: 8", "samples: 9")
            (folder / "mine.yaml").write_text(more)
            study = studies.load_study(str(folder / "mine.yaml"))
            run_all(database, study, probe=_probe, score=_probe, stop_after=2)
        yield address


def _probe(one: store.Replicate) -> float:
    return (one.ranges or {}).get("frequency", (0, 0))[1] / 1001 + one.seed / 10_000


@pytest.fixture
def study(url) -> optuna.Study:
    return optuna.load_study(study_name="mine", storage=url)


def by_optuna(url: str, *arguments: str) -> str:
    program = [str(Path(sys.executable).parent / "optuna"), *arguments, "--storage", url]
    ran = subprocess.run(program, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_optunas_command_line_reads_it(url, study):
    (listed,) = json.loads(by_optuna(url, "studies", "-f", "json"))
    assert listed["name"] == "mine"
    trials = json.loads(by_optuna(url, "trials", "--study-name", "mine", "-f", "json"))
    assert len(trials) == len(study.trials)
    best = json.loads(by_optuna(url, "best-trial", "--study-name", "mine", "-f", "json"))
    assert best["number"] == study.best_trial.number


def test_a_trial_is_an_arm(study):
    frame = study.trials_dataframe()
    named = ["waves", *(f"sample-{i:04d}" for i in range(9))]
    assert list(frame["user_attrs_arm"]) == named
    assert set(frame["state"]) == {"COMPLETE", "PRUNED", "RUNNING"}
    for trial in study.get_trials(states=(TrialState.COMPLETE,)):
        low, high = trial.user_attrs["ranges"]["frequency"]
        assert trial.params["frequency.low+1"] == low + 1
        assert trial.user_attrs["frequency.high"] == high
        assert trial.value == pytest.approx(high / 1001 + 0.5 / 10_000)
        assert trial.user_attrs["n"] == 2


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
def test_optunas_visualisations_draw_it(study, name):
    assert getattr(optuna.visualization, f"plot_{name}")(study).data


def test_optuna_knows_which_end_matters(study):
    """The score is the high end, which follows from both parameters."""
    weights = optuna.importance.get_param_importances(study)
    assert weights.keys() == {"frequency.low+1", "frequency.share"}


def test_two_objectives(database, write_study):
    write_study(
        STUDY.replace("pruner: {name: successive_halving}", "").replace("8", "4") + OBJECTIVES
    )
    study = studies.load_study("mine")
    with store.Run(database, "mine") as run:
        queue = store.Queue(database, study, run.run_id)
        queue.recover()
        while (one := queue.take()) is not None:
            if one.ranges is not None:
                queue.report(one, Rung(128, 0.3, 2.0, 1.0))
            queue.complete(one, scores(_probe(one), variety={"vendi_features": 10.0 + one.id}))
    opened = store.optuna_study(database, "mine")
    assert len(opened.trials) == 5
    assert optuna.visualization.plot_pareto_front(opened).data
    assert optuna.visualization.plot_slice(opened, target=lambda t: t.values[0]).data


OBJECTIVES = "objectives: [accuracy, variety.vendi_features]\n"


@pytest.fixture
def database(sqlite_url):
    with store.connect(sqlite_url, create=True) as database:
        yield database
