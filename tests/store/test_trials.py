"""Trials are read as Optuna reads them, only faster."""

import math

import optuna
import pytest
import sqlalchemy as sa
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial

from explorer import store as db
from explorer.store import trials as room


@pytest.fixture
def storage(database_url):
    with db.disposing(db.connect(database_url, create=True)) as storage:
        yield storage


@pytest.fixture
def studies(storage, fill):
    """Two studies of every state, one after the other, and what no run leaves behind."""
    fill(storage, "other")
    fill(storage, "mine")
    fill(storage, "last")
    study = db.load_study(storage, "mine")
    space = {"x": FloatDistribution(0, 1, step=0.25), "a": IntDistribution(1, 9)}
    study.add_trial(
        create_trial(
            value=math.inf,
            params={"x": 0.75, "a": 3},
            distributions=space,
            user_attrs={"loss": math.nan, "most": math.inf, "ä": ["ö", None, {"b": 2**70}]},
            intermediate_values={3: math.inf, 1: -math.inf, 2: 0.1 + 0.2},
        )
    )
    study.add_trial(create_trial(value=-math.inf))
    study.tell(study.ask(), state=TrialState.FAIL)
    two = optuna.create_study(
        study_name="two", storage=storage, directions=["maximize", "minimize"]
    )
    two.add_trial(create_trial(values=[0.5, -math.inf]))
    two.ask()
    return {name: db.load_study(storage, name)._study_id for name in db.study_names(storage)}


def theirs(storage, study_id, *which):
    return RDBStorage._get_trials(storage, study_id, *which)


EVERY = (None, set(), -1)


def comparable(trials):
    """NaN is not equal to itself."""
    return [repr(sorted(vars(trial).items())) for trial in trials]


@pytest.mark.parametrize("by_number", [0, 500])
def test_every_trial_is_as_optuna_reads_it(storage, studies, monkeypatch, by_number):
    monkeypatch.setattr(room, "_BY_NUMBER", by_number)
    for study_id in studies.values():
        expected = theirs(storage, study_id, *EVERY)
        found = storage._get_trials(study_id, *EVERY)
        assert len(expected) >= 2
        assert comparable(found) == comparable(expected)
        assert [list(trial.params) for trial in found] == [list(t.params) for t in expected]


def test_only_the_trials_that_are_wanted(storage, studies):
    numbers = [trial._trial_id for trial in theirs(storage, studies["mine"], *EVERY)]
    for which in (
        ((TrialState.COMPLETE, TrialState.FAIL), set(), -1),
        (None, {numbers[0], numbers[2], 10**6}, numbers[3]),
        (None, set(numbers), numbers[-1]),
        ((TrialState.WAITING,), set(), numbers[-1]),
        (None, set(), 10**6),
    ):
        found = storage._get_trials(studies["mine"], *which)
        assert comparable(found) == comparable(theirs(storage, studies["mine"], *which))


def test_no_such_study(storage):
    with pytest.raises(KeyError):
        storage.get_all_trials(999)


def test_a_study_without_trials_takes_one_look_at_the_trials(storage):
    study = optuna.create_study(study_name="empty", storage=storage)
    asked = []
    sa.event.listen(storage.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    assert storage.get_all_trials(study._study_id) == []
    assert len(asked) == 2
