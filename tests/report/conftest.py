"""Studies as explorer leaves them in a database, built without running one."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

ARMS: dict[str, dict[str, list[int]] | None] = {
    "scratch": None,
    "none": {"frequency": [0, 0]},
    "best_practice": {"frequency": [0, 20]},
    "high": {"frequency": [20, 60]},
}
SCORES = {
    "scratch": [0.70, 0.72, 0.71],
    "none": [0.69, 0.73, 0.72],
    "best_practice": [0.80, 0.82, 0.83],
    "high": [0.78, 0.81, 0.80],
}
BEGIN = datetime(2026, 11, 23, 6, 0)  # noqa: DTZ001 - Optuna's times are naive local ones
MINUTE = timedelta(minutes=1)


def definition(**changes: Any) -> dict[str, Any]:
    space = {
        "frequency": {"low": [0, 1000], "high": [0, 1000], "default": [0, 20]},
        "orbits": {"low": [1, 1000], "high": [1, 1000], "default": [1, 200]},
    }
    return {
        "name": "frequency_range",
        "description": "Which frequencies?\n",
        "baseline": "scratch",
        "replicates": 3,
        "seed": 0,
        "arms": ARMS,
        "sampler": None,
        "vary": [],
        "search_space": {"name": "visual_atom", "formula": "visual_atom", "parameters": space},
        "protocol": {"name": "laptop", "downstream": {"name": "digits"}},
        **changes,
    }


def trial(
    arm: str,
    replicate: int,
    accuracy: float | None = None,
    *,
    state: TrialState = TrialState.COMPLETE,
    frequency: tuple[int, int] | None = None,
    **attrs: Any,
) -> FrozenTrial:
    """Make a trial; a frequency range makes it a pre-trained one."""
    params: dict[str, int] = {}
    ranges = None
    if frequency is not None:
        params = {"frequency.low": frequency[0], "frequency.high": frequency[1]}
        ranges = {"frequency": list(frequency), "orbits": [1, 200]}
        attrs = {
            "variety.vendi_features": 100.0 + frequency[1] + replicate,
            "variety.edge_density": 0.1,
            "seconds.pretrain": 40.0,
            "pretrain_loss": 2.5,
            **attrs,
        }
    known = {
        "arm": arm,
        "replicate": replicate,
        "seed": replicate,
        "attempt": 1,
        "ranges": ranges,
        "host": "box",
        "device": "cpu",
        "seconds.total": 60.0,
    }
    if accuracy is not None:
        known["accuracy.digits"] = accuracy
    made = create_trial(
        state=state,
        value=accuracy,
        params=params,
        distributions={name: IntDistribution(0, 1000) for name in params},
        user_attrs={**known, **attrs},
        intermediate_values={} if frequency is None else {4096: 0.3, 8192: 0.4},
    )
    made.datetime_start = BEGIN
    if state.is_finished():
        made.datetime_complete = BEGIN + MINUTE
    return made


def failure(arm: str, replicate: int, reason: str, **attrs: Any) -> FrozenTrial:
    return trial(arm, replicate, state=TrialState.FAIL, failure=reason, **attrs)


Study = Callable[..., optuna.Study]


@pytest.fixture
def make_study() -> Study:
    """Make a study in memory (or in ``storage``) of these trials, with a definition."""

    def make(
        trials: list[FrozenTrial],
        *,
        name: str = "frequency_range",
        storage: optuna.storages.BaseStorage | None = None,
        **changes: Any,
    ) -> optuna.Study:
        study = optuna.create_study(study_name=name, direction="maximize", storage=storage)
        study.set_user_attr("definition", definition(name=name, **changes))
        study.set_user_attr("explorer_version", "0.1.0")
        study.add_trials(trials)
        return study

    return make


def finished_trials() -> list[FrozenTrial]:
    """Every trial of the study above, replicate by replicate as a run takes them."""
    return [
        trial(arm, replicate, scores[replicate], frequency=_frequency(arm))
        for replicate in range(3)
        for arm, scores in SCORES.items()
    ]


def _frequency(arm: str) -> tuple[int, int] | None:
    ranges = ARMS[arm]
    return None if ranges is None else (ranges["frequency"][0], ranges["frequency"][1])


@pytest.fixture
def study(make_study: Study) -> optuna.Study:
    """A finished study: three arms and from scratch, three replicates each."""
    return make_study(finished_trials())
