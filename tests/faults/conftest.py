"""The table of faults: every test adds its row, and the end of the run writes it."""

import os
import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.lab import Lab, Outcome

TABLE = Path(__file__).parents[2] / "reports" / "faults.md"
_ROWS: list[tuple[str, ...]] = []
_HEADS = ("fault", "trials wanted", "finished", "failed", "lost", "duplicated", "extra seconds")


@dataclass(frozen=True)
class Undisturbed:
    """A study to which nothing happens: the scores by slot, and how long it takes."""

    seconds: float
    scores: dict[tuple[str, int], float]


@pytest.fixture(scope="session")
def whole(request) -> bool:
    """Whether all harm is done to a study of 24 trials."""
    return request.config.getoption("--faults") == "whole"


@pytest.fixture(scope="session")
def undisturbed(whole, tmp_path_factory) -> Undisturbed | None:
    """Measured once, in the whole form: seconds of six trials say nothing."""
    if not whole:
        return None
    lab = Lab(tmp_path_factory.mktemp("undisturbed"), whole=whole)
    try:
        lab.wait(lab.start())
        seconds = time.monotonic() - lab.began
    finally:
        lab.stop()
    outcome = lab.outcome()
    assert outcome.finished == outcome.wanted == len(outcome.attempts)
    note("none", outcome, 0.0)
    return Undisturbed(seconds, outcome.scores)


@pytest.fixture
def make_lab(whole, undisturbed, tmp_path):
    """Make a lab; what it has started is ended after the test."""
    del undisturbed  # before anything else
    labs = []

    def make(**options) -> Lab:
        labs.append(Lab(tmp_path, whole=whole, **options))
        return labs[-1]

    yield make
    for lab in labs:
        lab.stop()


@pytest.fixture
def judge(undisturbed):
    """Assert that nothing was lost, doubled or changed, and add the row to the table."""

    def judge(fault: str, lab: Lab, *, failed: int = 0) -> Outcome:
        seconds = time.monotonic() - lab.began
        outcome = lab.outcome()
        note(fault, outcome, None if undisturbed is None else seconds - undisturbed.seconds)
        assert (outcome.lost, outcome.doubled) == (0, 0), outcome
        assert (outcome.finished, outcome.failed) == (outcome.wanted - failed, failed), outcome
        if undisturbed is not None:
            common = outcome.scores.keys() & undisturbed.scores.keys()
            assert common
            assert all(outcome.scores[slot] == undisturbed.scores[slot] for slot in common)
        return outcome

    return judge


def note(fault: str, outcome: Outcome, extra: float | None) -> None:
    """Add a row to the table."""
    counts = (outcome.wanted, outcome.finished, outcome.failed, outcome.lost, outcome.doubled)
    _ROWS.append((fault, *map(str, counts), "" if extra is None else f"{extra:.0f}"))


def pytest_sessionfinish():
    if not _ROWS:
        return
    table = [_HEADS, ("---", *["---:"] * 6), *_ROWS]
    text = "".join(f"| {' | '.join(row)} |\n" for row in table)
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    where = f"{os.cpu_count()} x {_processor()}, {platform.system()}"
    moment = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    text += f"\n{moment}, {where}; load at the end (1, 5, 15 minutes) {load}\n"
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(text)


def pytest_terminal_summary(terminalreporter):
    # Not where another process has run the tests; the table is written all the same.
    if _ROWS:
        terminalreporter.section(f"faults survived ({TABLE})")
        terminalreporter.write(TABLE.read_text())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()
