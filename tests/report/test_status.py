"""How far a study is, and the one view that shows it."""

# ruff: noqa: RUF001 - the tables have typographic dashes

import io
import json
import threading
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa
from rich.console import Console

from explorer.errors import InputError
from explorer.report import (
    json_text,
    live,
    overview,
    overview_screen,
    status,
    status_screen,
    watching,
)
from explorer.report.frame import Progress
from explorer.store import tables
from tests.report import rows

NOW = rows.BEGIN + timedelta(minutes=6)


def show(renderable, width=80):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(renderable)
    return console.file.getvalue()


def await_(condition, seconds=30):
    """Wait until something holds; a busy machine takes its time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def add_run(database, study, *, ended=None):
    now = rows.BEGIN + timedelta(days=36_500)  # no run of it is ever silent
    run = {"run_id": "a" * 32, "study": study, "host": "elsewhere", "process": "1", "command": "x",
           "provenance": "{}", "started": now, "seen": now, "ended": ended}  # fmt: skip
    with database.engine.begin() as connection:
        connection.execute(tables.runs.insert().values(**run))


# -- what it says ----------------------------------------------------------------------------------


def test_a_study_on_its_way(studies):
    result = status(studies, "unfinished", NOW)
    assert result.progress == Progress(total=12, complete=3, pruned=0, failed=1, running=2)
    keys = ("arm", "replicate", "seconds", "rung", "probe", "loss")
    assert [tuple(row[key] for key in keys) for row in result.running] == [
        ("scratch", 1, 120, None, None, None),
        ("none", 1, 60, 4096, 0.3, 2.7),
    ]
    assert [(row["arm"], row["reason"]) for row in result.failures] == [
        ("high", "ValueError: loss is nan")
    ]
    assert (result.best.name, result.rate) == ("best_practice", 120.0)
    # Six wait for two workers, a minute each; those that run should have ended.
    assert result.seconds_left == 180.0
    assert [(arm.name, arm.complete, arm.running, arm.failed) for arm in result.arms] == [
        ("scratch", 1, 1, 0), ("none", 1, 1, 0), ("best_practice", 1, 0, 0), ("high", 0, 0, 1),
    ]  # fmt: skip


def test_a_finished_study(studies):
    result = status(studies, "ablation")
    assert (result.progress.finished, result.seconds_left, result.retried) == (True, 0.0, 2)
    assert (result.failures, result.running, result.runs) == ((), (), 0)
    assert result.best.accuracy.mean == pytest.approx(0.81667, abs=1e-5)


def test_a_sampled_study_has_its_ranges_and_objectives(studies):
    result = status(studies, "sampled")
    arms = {arm.name: arm for arm in result.arms}
    assert arms["best_practice"].ranges == {}
    assert set(arms["sample-0007"].ranges) == {"frequency", "orbits", "noise"}
    assert (arms["sample-0007"].pruned, arms["sample-0007"].objectives) == (2, {})
    assert arms["sample-0006"].objectives["variety.vendi_features"] == pytest.approx(14.6, abs=0.1)


@pytest.mark.parametrize("ended", [None, NOW])
def test_what_a_dead_run_left_waits(database, ended):
    name = rows.unfinished(database)
    add_run(database, name, ended=ended)
    result = status(database, name)
    alive = ended is None
    assert (result.runs, len(result.running), result.progress.waiting) == (
        (1, 2, 6) if alive else (0, 0, 8)
    )


def test_attempts_are_not_replicates(database):
    again = {"attempt": 2, "state": "WAITING"}
    entries = [
        rows.row("none", 0, state="FAIL", failure_kind="interrupted", reason="Ctrl-C"),
        rows.row("none", 1, state="FAIL", reason="retried", failure_kind="error"),
        rows.row("none", 1, **again),
        rows.row("none", 2, state="FAIL", failure_kind="error"),
        rows.row("none", 2, 0.5, attempt=2),
    ]
    result = status(database, rows.make_study(database, "s", entries))
    assert result.progress == Progress(total=12, complete=1, pruned=0, failed=0, running=0)
    assert (result.failures, result.retried) == ((), 2)


def test_results_that_were_taken_over_say_nothing_of_time(database):
    entry = rows.row("none", 0, 0.5, cached_from="other/none#0")
    result = status(database, rows.make_study(database, "s", [entry]))
    assert (result.rate, result.seconds_left) == (None, None)


def test_an_unknown_study_is_refused(studies):
    with pytest.raises(InputError, match="did you mean 'sampled'"):
        status(studies, "sample")


def test_status_as_json(studies):
    content = json.loads(json_text(status(studies, "unfinished").to_dict()))
    assert content["progress"]["waiting"] == 6
    assert content["best"] == "best_practice"
    running = content["running"][1]
    assert (running["arm"], running["ranges"]) == ("none", {"frequency": [0, 0]})


# -- the view --------------------------------------------------------------------------------------


def test_the_screen_shows_workers_arms_and_failures(database):
    name = rows.unfinished(database)
    add_run(database, name)
    shown = show(status_screen(status(database, name, NOW), 90), 90)
    lines = [line.split() for line in shown.splitlines()]
    assert lines[1][:1] == ["3/12"]
    assert "3 complete, 2 running, 6 waiting, 1 failed" in shown
    assert "2 workers busy in 1 run\n" in shown
    assert "best so far: best_practice  80.0 %  (n = 1)" in shown
    assert ["none", "1", "60", "s", "4,096", "30.0", "2.7", "frequency", "0", "box"] in lines
    assert ["high", "0/3", "0", "1", "\N{EN DASH}"] in lines
    assert "high #0  ValueError: loss is nan" in shown


def test_the_screen_of_a_sampled_study(studies):
    wide = show(status_screen(status(studies, "sampled"), 120), 120)
    assert "The best 20 of 26 arms." in wide
    assert "frequency 16–60, orbits 85–97, noise 0–8" in wide
    assert "score" in wide
    narrow = show(status_screen(status(studies, "sampled"), 60), 60)
    assert "Left out for want of width:" in narrow
    assert "sample-0006" in narrow


def test_overview(studies):
    shown = show(overview_screen(overview(studies), 80))
    result = {line.split()[0]: line.split()[1:] for line in shown.splitlines()[2:] if line}
    assert result["ablation"][:3] == ["laptop", "12/12", "0"]
    assert result["ablation"][-1] == "finished"
    assert result["unfinished"][1:3] == ["3/12", "1"]


def test_a_pipe_gets_a_line_per_ended_replicate(database):
    entries = rows.ablation_rows()
    reason = {"reason": "ValueError: of\ntwo lines"}
    later = [
        rows.row("high", 1, state="FAIL", minute=20, ranges={}, **reason),
        rows.row("high", 2, state="PRUNED", minute=21, ranges={}, reason="stopped by median"),
    ]
    others = [
        e for e in entries[4:] if (e["arm"], e["replicate"]) not in {("high", 1), ("high", 2)}
    ]
    console = Console(width=80, file=io.StringIO())
    with watching(database, "s", console, interval=0.02) as view:
        rows.make_study(database, "s", entries[:4])
        await_(lambda: "4 of 12" in console.file.getvalue())
        rows.add_rows(database, "s", [*others, *later])
        view.wait()
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "s: 4 of 12 trials done"
    assert lines[1] == "[ 5/12] scratch #1: 72.0 % in 60 s"
    assert lines[-2:] == [
        "[10/12] high #1: failed after 60 s: ValueError: of two lines",
        "[11/12] high #2: stopped after 60 s: stopped by median",
    ]
    assert len(lines) == 9


def test_a_terminal_is_drawn_in_place_and_at_the_end(studies):
    console = Console(width=80, height=40, file=io.StringIO(), force_terminal=True)
    with watching(studies, "ablation", console, interval=0.02) as view:
        view.wait()
    assert "12/12" in console.file.getvalue()
    assert not [t for t in threading.enumerate() if t.name == "explorer-view"]


def test_a_study_that_has_not_begun_is_waited_for(studies):
    console = Console(width=80, file=io.StringIO(), force_terminal=True)
    with watching(studies, "sample", console, interval=0.02) as view:
        await_(lambda: "did you mean 'sampled'" in show(view.render()))
        assert "sample has not begun." in show(view.render())


def test_a_database_that_is_away_does_not_end_the_view(studies, monkeypatch):
    console = Console(width=80, file=io.StringIO(), force_terminal=True)
    with watching(studies, "unfinished", console, interval=0.02) as view:
        await_(lambda: "3/12" in show(view.render()))
        away = sa.exc.OperationalError("SELECT", {}, Exception("gone"))
        monkeypatch.setattr(live, "look", lambda *_: (_ for _ in ()).throw(away))
        await_(lambda: "the database does not answer" in show(view.render()))
        assert "3/12" in show(view.render())
        monkeypatch.undo()
