"""The page as text: what a user has written stays text, and it is one file of bounded size."""

import json
import re

import optuna
import pytest

from explorer import store as db
from explorer.cli import cli
from explorer.errors import InputError
from explorer.report import arrange, importance_layout, summarise
from explorer.report.figures import material
from explorer.report.page import content, html, lay_out
from explorer.report.page.content import SHOWN_BEST, SHOWN_WORST
from explorer.report.page.rendering import _breakable, _set
from explorer.report.page.sheets import MOST_SHEETS
from tests.report.conftest import definition, failure, finished_trials, trial
from tests.report.rich import rich_study

EVIL = "</script><script>alert('&')</script>"


@pytest.fixture(scope="module")
def finished():
    """A finished study in memory, which has no run on record."""
    study = optuna.create_study(study_name="frequency_range", direction="maximize")
    study.set_user_attr("definition", definition())
    study.add_trials(finished_trials())
    return study


@pytest.fixture(scope="module")
def said(finished):
    return content(finished)


def test_importances_are_asked_for_once(tmp_path, monkeypatch):
    asked = []
    for module in (material, importance_layout):
        original = module.importances
        monkeypatch.setattr(
            module, "importances", lambda *a, _of=original: asked.append(a) or _of(*a)
        )
    with db.disposing(db.connect(f"sqlite:///{tmp_path}/rich.db", create=True)) as storage:
        page = content(rich_study(storage, samples=12))
    assert len(asked) == 1
    table = next(grid for grid in page.analyses if grid.name == "importance")
    assert len(table.rows) == 6
    assert "importance" in page.figures


def test_what_a_user_has_written_is_escaped(make_study):
    arms = {"scratch": None, EVIL: {"frequency": [0, 20]}}
    trials = [trial("scratch", r, 0.6 + r / 50) for r in range(2)]
    trials += [trial(EVIL, r, 0.7 + r / 50, frequency=(0, 20)) for r in range(2)]
    trials.append(failure(EVIL, 2, f"ValueError: {EVIL}", host=EVIL))
    page = html(make_study(trials, arms=arms, description=EVIL))
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert") > 5
    # Inside the JSON of the figures as well, which says the same as before.
    data = re.search(r'id="figures-data">(.*?)</script>', page, re.DOTALL)[1]
    assert "<" not in data
    assert EVIL in json.dumps(json.loads(data), ensure_ascii=False)
    assert page.count("<script") == page.count("</script>") == 3


def test_only_its_own_scripts_may_run_and_nothing_is_loaded(said):
    page = lay_out(said)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    rules = dict(part.split(" ", 1) for part in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].count("'sha256-") == 2
    assert "unsafe-inline" not in rules["script-src"]
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r'(?:src|href)="(?!#|data:)', markup)
    assert "url(" not in markup


def test_the_same_study_gives_the_same_page(finished, said):
    assert html(finished) == lay_out(said)


def test_a_study_without_database_has_a_page(said):
    assert said.finished
    assert said.command == said.study_file == ""
    assert [grid.name for grid in said.provenance] == ["machines"]
    assert "The database has no study file" in lay_out(said)


def test_runs_and_study_file_come_from_the_database(make_study, sqlite_url):
    storage = db.connect(sqlite_url, create=True)
    text = "# mine\ndescription: <b>&</b>\n"
    with db.Run(storage, "frequency_range", text):
        pass
    make_study(finished_trials(), storage=storage)
    said = content("frequency_range", storage)
    assert said.study_file == text
    assert said.command.startswith("explorer")
    assert [grid.name for grid in said.provenance] == ["runs", "machines", "versions"]
    assert "description: &lt;b&gt;&amp;&lt;/b&gt;" in html("frequency_range", storage)


def test_images_of_the_arms_are_what_was_trained_on(said):
    assert [(sheet.arm, sheet.role) for sheet in said.sheets] == [
        ("best_practice", "best"),
        ("high", ""),
        ("none", "worst"),
    ]
    first = said.sheets[0]
    assert (first.width, first.height) == (702, 348)
    assert first.uri.startswith("data:image/webp;base64,UklGR")
    dash = "\N{EN DASH}"
    assert first.alt == f"3 categories of VisualAtom with frequency 0{dash}20, 6 instances each"
    assert len({sheet.uri for sheet in said.sheets}) == 3


def test_a_formula_that_is_not_there_is_said(make_study):
    space = {"name": "mine", "formula": "gone", "parameters": {}}
    (sheet, *_) = content(make_study(finished_trials(), search_space=space)).sheets
    assert sheet.uri == ""
    assert sheet.alt.startswith("No images: gone cannot be drawn here (unknown formula 'gone'")


def test_many_arms_are_bounded_and_it_is_said(make_study):
    trials = [trial(f"sample-{i:04d}", 0, 0.3 + i / 1000, frequency=(i, 300)) for i in range(200)]
    said = content(
        make_study(
            [trial("scratch", 0, 0.2), trial("none", 0, 0.25, frequency=(0, 0)), *trials],
            arms={"scratch": None, "none": {"frequency": [0, 0]}},
            sampler={"name": "qmc", "samples": 200},
            vary=["frequency"],
            replicates=1,
            baseline="none",
        )
    )
    best, lowest = said.results[:2]
    assert len(best.rows) == 2 + SHOWN_BEST
    assert "(160 more are not shown)" in best.caption
    assert [row[0].text for row in lowest.rows] == [f"sample-{i:04d}" for i in range(9, -1, -1)]
    assert lowest.caption == (
        f"The lowest {SHOWN_WORST} sampled arms. 150 between these and the table above are in csv "
        "and json only."
    )
    assert len(said.sheets) <= MOST_SHEETS
    assert (said.sheets[0].arm, said.sheets[-1].arm) == ("sample-0199", "none")
    assert said.sheets[-1].role == "worst, baseline"
    assert said.sheets_note.endswith("7 of 201 arms: the 6 best, the worst and the baseline.")


def test_numbers_are_not_torn_apart():
    fixed, joiner = "\N{NO-BREAK SPACE}", "\N{WORD JOINER}"
    assert _set("p = 0.05 of 80.2 ± 6.2 %") == (
        f"p{fixed}={fixed}0.05 of{fixed}80.2{fixed}±{fixed}6.2{fixed}%"
    )
    assert _set("0\N{EN DASH}20") == f"0{joiner}\N{EN DASH}{joiner}20"
    assert str(_breakable("a_<b")) == "a_<wbr>&lt;b"


def test_the_command_writes_the_page(make_study, folder, sqlite_url, capsys):
    make_study(finished_trials(), storage=db.connect(sqlite_url, create=True))
    asked = ["report", "frequency_range", "--storage", sqlite_url, "--format", "html"]
    assert cli.main(asked, standalone_mode=False) == 0
    page = folder / "reports" / "frequency_range.html"
    assert capsys.readouterr().out.strip() == "reports/frequency_range.html"
    assert page.read_text("utf-8").startswith("<!doctype html>")
    cli.main([*asked, "--output", "elsewhere.html"], standalone_mode=False)
    assert (folder / "elsewhere.html").read_bytes() == page.read_bytes()


def test_the_page_is_of_the_report_that_was_asked_for(finished):
    report = arrange(summarise(finished, test="permutation"), arms=["high", "scratch"])
    said = content(finished, report=report)
    assert [row[0].text for row in said.results[0].rows] == ["high", "scratch"]
    assert "permutation" in said.results[0].caption
    assert "p = 0.30 after Holm's correction over 3 arms" in said.summary[0]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["--output", "."], "--output: '.': cannot be written: is a folder; name a file in it"),
        (["--fidelity"], "--format: 'html': is the page of one study, STUDY or STUDY@PROTOCOL"),
    ],
)
def test_what_cannot_be_written_is_said(make_study, folder, sqlite_url, more, line):
    make_study(finished_trials(), storage=db.connect(sqlite_url, create=True))
    asked = ["report", "frequency_range", "--storage", sqlite_url, "--format", "html", *more]
    with pytest.raises(InputError) as caught:
        cli.main(asked, standalone_mode=False)
    assert str(caught.value) == line
    assert not (folder / "reports").exists()
