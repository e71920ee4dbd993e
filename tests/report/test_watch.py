"""A status that follows its study."""

import io

import optuna
import pytest
from optuna.trial import TrialState
from rich.console import Console

from explorer import store as db
from explorer.report import Watcher, follow, status, status_screen
from explorer.report.screen import sparkline
from tests.report.conftest import finished_trials, trial


def watched(study, steps, *, terminal, storage=None):
    """Follow a study that is changed by one step after every look; returns what was shown."""
    todo = iter(steps)
    watcher = Watcher(study, storage)
    console = Console(width=80, file=io.StringIO(), force_terminal=terminal, color_system=None)
    follow(
        lambda: [watcher.status()],
        lambda found: status_screen(found[0]),
        console=console,
        interval=1.0,
        pause=lambda _: next(todo)(),
    )
    assert next(todo, None) is None
    return console.file.getvalue()


def changes(study, storage):
    """The last trial begins, nothing happens, it reaches a rung with a loss, and ends."""
    study.add_trials(finished_trials()[:11])

    def begin():
        study.add_trial(trial("high", 2, state=TrialState.RUNNING))

    def reach():
        trial_id = storage.get_all_trials(study._study_id)[-1]._trial_id
        storage.set_trial_intermediate_value(trial_id, 2048, 0.25)
        storage.set_trial_user_attr(trial_id, "rungs", {"2048": {"loss": 1.234, "seconds": 1}})

    def end():
        trial_id = storage.get_all_trials(study._study_id)[-1]._trial_id
        storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.9])

    return [begin, lambda: None, reach, end]


@pytest.fixture
def storage():
    return optuna.storages.InMemoryStorage()


def test_where_there_is_no_terminal_it_is_printed_once_a_change(make_study, storage):
    study = make_study([], storage=storage)
    text = watched(study, changes(study, storage), terminal=False)
    screens = text.split("frequency_range under protocol laptop")[1:]
    assert [one.split()[0] for one in screens] == ["11/12", "11/12", "11/12", "12/12"]
    assert "\x1b" not in text
    assert "2,048       25.0  1.23" in screens[2]
    assert "best so far: high" in screens[3]


def test_on_a_terminal_it_is_drawn_in_place_and_ends_by_itself(make_study, storage):
    study = make_study([], storage=storage)
    text = watched(study, changes(study, storage), terminal=True)
    assert text.count("\x1b[1A") > 10  # lines up, to draw over what was there
    assert text.count("11/12") == 4  # at first, and after each of three changes
    assert "12/12" in text.split("11/12")[-1]


def test_ctrl_c_ends_it(make_study):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watched(make_study(finished_trials()[:3]), [interrupted], terminal=True)


def test_a_watcher_says_what_a_status_says_and_looks_at_an_end_once(make_study, tmp_path):
    with db.disposing(db.connect(f"sqlite:///{tmp_path}/a.db", create=True)) as storage:
        study = make_study(finished_trials()[:5], storage=storage)
        watcher = Watcher("frequency_range", storage)
        watcher.status()
        known = watcher._ended[0]
        study.add_trials(finished_trials()[5:])
        assert watcher.status() == status("frequency_range", storage)
        assert watcher._ended[0] is known
        assert len(watcher._ended) == 12


def test_nobody_at_work_is_said(make_study, tmp_path):
    with db.disposing(db.connect(f"sqlite:///{tmp_path}/a.db", create=True)) as storage:
        make_study(finished_trials()[:5], storage=storage)
        console = Console(width=80, file=io.StringIO(), color_system=None)
        console.print(status_screen(status("frequency_range", storage)))
        assert "no run is at work on it" in console.file.getvalue()
        with db.Run(storage, "frequency_range"):
            console.print(status_screen(status("frequency_range", storage)))
        assert "0 workers busy in 1 run" in console.file.getvalue()


def test_sparklines():
    assert sparkline([0, 0.5, 1, float("nan"), 2, -1], 0, 1) == "▁▅█ █▁"
    assert sparkline([0.3, 0.3], 0.3, 0.3) == "▁▁"
    assert sparkline([], 0, 1) == ""
