"""The live display, on a terminal and elsewhere."""

import io

import pytest
from optuna.trial import TrialState
from rich.console import Console

from explorer.report import Ended, Live
from tests.report.conftest import failure, finished_trials, trial


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def make_live(*, terminal=False, width=80, clock=None, **changes):
    console = Console(
        width=width,
        file=io.StringIO(),
        force_terminal=terminal,
        force_interactive=terminal,
        color_system=None,
    )
    arguments = {"total": 12, "workers": 2, "console": console, "clock": clock or Clock()}
    return Live("frequency_range", **{**arguments, **changes}), console


def frame(live, width=80):
    """Return what the live display would draw now."""
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(live._render())
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_one_line_a_finished_trial():
    clock = Clock()
    live, console = make_live(clock=clock)
    with live:
        live.started(0, "scratch", 0)
        live.started(1, "none", 0)
        live.phase(0, "fine-tuning")
        live.rung(1, 4096, 0.3)
        clock.now = 60
        live.finished(0, "COMPLETE", 0.712, 60.0, None)
        live.finished(1, "FAIL", None, 7.0, "ValueError:\nbad")
        live.started(2, "high", 1)
        live.finished(2, "PRUNED", None, 60.0, None)
    assert console.file.getvalue().splitlines() == [
        "frequency_range: 0 of 12 trials done, 2 workers",
        "[ 1/12] scratch #0: 71.2 % in 60 s, 5 min left",
        "[ 1/12] none #0: failed after 7 s: ValueError: bad, 5 min left",
        "[ 2/12] high #1: pruned after 60 s, 5 min left",
    ]


def test_a_long_line_stays_one_line():
    live, console = make_live(width=40)
    with live:
        live.started(0, "scratch", 0)
        live.finished(0, "FAIL", None, 7.0, "a reason " * 40)
    assert len(console.file.getvalue().splitlines()) == 2


def test_the_last_line_has_no_time_left():
    live, console = make_live(total=1, workers=1)
    with live:
        live.started(0, "scratch", 0)
        live.finished(0, "COMPLETE", 0.5, 5.0, None)
    assert console.file.getvalue().splitlines()[-1] == "[1/1] scratch #0: 50.0 % in 5 s"


def test_it_draws_what_each_worker_does():
    clock = Clock()
    ended = [Ended("best_practice", 0, "COMPLETE", 0.8, 60.0)]
    live, _ = make_live(clock=clock, ended=ended)
    live.started(7, "none", 1)
    clock.now = 20
    live.started(8, "best_practice", 1)
    live.phase(7, "pre-training, loss 2.31")
    live.rung(7, 4096, 0.412)
    clock.now = 30
    lines = frame(live)
    assert lines[0] == "frequency_range"
    assert lines[1].startswith("1/12 ")
    # 30 and 50 seconds are left of the two, nine trials wait: one worker has to take five.
    assert lines[1].endswith("120 trials/h, 6 min left")
    assert lines[2] == "1 complete, 2 running, 9 waiting, 0 failed"
    assert lines[3] == "best so far: best_practice  80.0 %  (n = 1)"
    assert lines[4].split() == ["trial", "arm", "#", "for", "images", "probe"]
    assert " ".join(lines[5].split()) == "7 none 1 30 s 4,096 41.2 % pre-training, loss 2.31"
    assert lines[6].split() == ["8", "best_practice", "1", "10", "s", "\N{EN DASH}", "\N{EN DASH}"]
    live.finished(8, "COMPLETE", 0.84, 60.0, None)
    lines = frame(live)
    assert lines[3] == "best so far: best_practice  82.0 ± 2.8 %  (n = 2)"


def test_a_worker_keeps_its_line():
    live, _ = make_live(workers=3)
    for number in range(3):
        live.started(number, f"arm{number}", 0)
    live.finished(1, "COMPLETE", 0.5, 1.0, None)
    assert [line.split()[1] for line in frame(live)[5:]] == ["arm0", "idle", "arm2"]
    live.started(3, "arm3", 0)
    live.started(4, "arm4", 0)  # one more than there are workers
    assert [line.split()[1] for line in frame(live)[5:]] == ["arm0", "arm3", "arm2", "arm4"]
    live.finished(4, "COMPLETE", 0.5, 1.0, None)
    assert len(frame(live)) == 8


def test_many_workers_are_cut():
    live, _ = make_live(workers=40)
    live.started(0, "scratch", 0)
    assert frame(live)[-1] == "and 24 more workers"
    assert len(frame(live)) < 24


def test_a_retry_takes_back_the_failure():
    live, _ = make_live()
    live.started(0, "none", 0)
    live.finished(0, "FAIL", None, 1.0, "worker died; it is tried again")
    assert "11 waiting, 1 failed" in frame(live)[2]
    live.started(1, "none", 0)
    assert "0 complete, 1 running, 11 waiting, 0 failed" in frame(live)[2]
    live.finished(1, "COMPLETE", 0.5, 1.0, None)
    assert "1 complete, 0 running, 11 waiting, 0 failed" in frame(live)[2]


def test_an_interrupted_trial_waits_again():
    live, _ = make_live()
    live.started(0, "none", 0)
    live.finished(0, "FAIL", None, 1.0, "interrupted: the run was stopped")
    assert "0 running, 12 waiting, 0 failed" in frame(live)[2]


def test_news_of_unknown_trials_is_ignored():
    live, console = make_live()
    with live:
        live.phase(5, "late")
        live.rung(5, 1, 0.5)
        live.finished(5, "COMPLETE", 0.5, 1.0, None)
    assert console.file.getvalue().splitlines() == [
        "frequency_range: 0 of 12 trials done, 2 workers"
    ]


def test_markup_in_names_is_text():
    live, _ = make_live()
    live.started(0, "[red]x[/red]", 0)
    live.phase(0, "[bold]y")
    assert "[red]x[/red]" in frame(live)[4]
    assert "[bold]y" in frame(live)[4]


@pytest.mark.parametrize("width", [40, 80])
def test_no_line_wraps_on_a_narrow_terminal(width):
    live, _ = make_live(ended=[Ended("a" * 64, 0, "COMPLETE", 0.8, 60.0)])
    live.started(1234, "b" * 64, 12)
    live.rung(1234, 1_000_000, 0.5)
    live.phase(1234, "pre-training, epoch 3 of 10, " * 5)
    lines = frame(live, width)
    assert max(map(len, lines)) <= width
    assert len(lines) == len(frame(live, 500)) == 7


def test_on_a_terminal_it_draws_in_place():
    live, console = make_live(terminal=True)
    with live:
        live.started(0, "scratch", 0)
        live.finished(0, "COMPLETE", 0.5, 1.0, None)
    text = console.file.getvalue()
    assert "\x1b[" in text
    assert text.count("[1/12]") == 0  # no line of the plain output
    assert "best so far: scratch  50.0 %" in text  # the last picture stays


def test_it_stops_where_the_run_raises():
    live, console = make_live(terminal=True)
    with pytest.raises(KeyboardInterrupt), live:
        raise KeyboardInterrupt
    assert console.file.getvalue().endswith("\x1b[?25h")  # the cursor is back


def test_resume_begins_with_the_database(make_study):
    study = make_study(
        [
            *finished_trials()[:4],
            failure("none", 1, "ValueError: bad"),
            failure("high", 1, "interrupted: its run died"),
            trial("scratch", 1, state=TrialState.PRUNED),
            trial("scratch", 2, state=TrialState.WAITING),
        ]
    )
    live = Live.resume(study, workers=1)
    lines = frame(live)
    assert lines[1].startswith("5/12 ")
    assert lines[1].endswith("60 trials/h, 6 min left")
    assert lines[2] == "4 complete, 1 pruned, 0 running, 6 waiting, 1 failed"
    assert lines[3] == "best so far: best_practice  80.0 %  (n = 1)"
