"""The page as text: what a user has written stays text, and it is one file of bounded size."""

import json
import re
from dataclasses import replace

import pytest

from explorer.report import arrange, summarise
from explorer.report.page import html
from explorer.report.page.content import SHOWN_SAMPLES, content
from explorer.report.page.rendering import _breakable, _set, lay_out
from explorer.report.page.sheets import MOST_SHEETS
from explorer.store import tables
from tests.report import rows
from tests.report.trials import add_trials

EVIL = "</script><script>alert('&')</script>"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    with rows.connect(tmp_path_factory.mktemp("page")) as database:
        add_trials(database, rows.ablation(database))
        yield database


@pytest.fixture(scope="module")
def page(database):
    return content(database, "ablation")


def test_what_a_user_has_written_is_escaped(database):
    arms = {"scratch": None, EVIL: {"frequency": [0, 20]}}
    scored = [rows.row("scratch", r, 0.6 + r / 50) for r in range(2)]
    scored += [rows.row(EVIL, r, 0.7 + r / 50, ranges=arms[EVIL]) for r in range(2)]
    wrong = {"state": "FAIL", "reason": f"ValueError: {EVIL}", "host": EVIL}
    scored.append(rows.row(EVIL, 2, ranges=arms[EVIL], **wrong))
    rows.make_study(database, "evil", scored, arms=arms, description=EVIL)
    add_trials(database, "evil")
    text = html(database, "evil")
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert") > 5
    # Inside the JSON of the figures as well, where plotly is given an escaped text.
    data = re.search(r'id="figures-data">(.*?)</script>', text, re.DOTALL)[1]
    assert "<" not in data
    assert "&lt;script&gt;" in json.dumps(json.loads(data))
    assert "<script>" not in json.dumps(json.loads(data))
    assert text.count("<script") == text.count("</script>") == 3


def test_only_its_own_scripts_may_run_and_nothing_is_loaded(page):
    text = lay_out(page)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    rules = dict(part.split(" ", 1) for part in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"('sha256-\S+' ?){2}", rules["script-src"])
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r'(?:src|href)="(?!#|data:)', markup)
    assert "url(" not in markup


def test_the_same_study_gives_the_same_page(database, page):
    assert html(database, "ablation") == lay_out(page)


def test_runs_and_study_file_come_from_the_database(database, page):
    assert page["finished"]
    assert page["command"] == page["study_file"] == ""
    assert [name for name, _, _ in page["provenance"]] == ["machines"]
    assert "The database has no study file" in lay_out(page)
    rows.unfinished(database, "run")
    made = {"run_id": "b" * 32, "study": "run", "host": "box/boot", "process": "1"}
    times = {"started": rows.BEGIN, "seen": rows.BEGIN, "ended": None}
    made |= {"command": "explorer run-study run", "provenance": '{"explorer": "0.2"}', **times}
    with database.engine.begin() as connection:
        connection.execute(tables.runs.insert().values(**made, study_file="a: <b>&</b>\n"))
    later = content(database, "run")
    assert not later["finished"]
    assert [name for name, _, _ in later["provenance"]] == ["runs", "machines", "versions"]
    text = html(database, "run")
    assert "a: &lt;b&gt;&amp;&lt;/b&gt;" in text
    assert "This study is not finished" in text


def test_images_of_the_arms_stand_once(page):
    assert [(sheet["arm"], sheet["role"]) for sheet in page["sheets"]] == [
        ("best_practice", "best"),
        ("high", ""),
        ("none", "worst"),
    ]
    first = page["sheets"][0]
    assert (first["width"], first["height"]) == (702, 348)
    assert first["uri"].startswith("data:image/webp;base64,UklGR")
    assert first["alt"] == "3 rows of 6 images of visual_atom with frequency 0\N{EN DASH}20"
    assert lay_out(page).count("<img ") == len({sheet["uri"] for sheet in page["sheets"]}) == 3


def test_many_arms_are_bounded_and_it_is_said(database):
    ranges = [{"frequency": [i, 200]} for i in range(200)]
    scored = [rows.row(f"sample-{i:04d}", 0, 0.3 + i / 1000, ranges=ranges[i]) for i in range(200)]
    scored += [rows.row("scratch", 0, 0.2), rows.row("none", 0, 0.25, ranges={"frequency": [0, 0]})]
    known = {"arms": {"scratch": None, "none": {"frequency": [0, 0]}}, "vary": ["frequency"]}
    sampler = {"name": "qmc", "samples": 200}
    rows.make_study(database, "many", scored, **known, sampler=sampler, baseline="none")
    page = content(database, "many")
    ((_, _, best),) = page["results"]
    assert len(best.rows) == 2 + SHOWN_SAMPLES
    assert "160 further arms are not shown." in best.notes
    assert len(page["sheets"]) <= MOST_SHEETS
    first, *_, last = page["sheets"]
    assert (first["arm"], last["role"]) == ("sample-0199", "worst, baseline")
    assert page["sheets_note"].endswith("7 of 201 arms: the 6 best, the worst and the baseline.")


def test_the_page_is_of_the_report_that_was_asked_for(database):
    report = arrange(summarise(database, "ablation", test="permutation"), arms=["high", "scratch"])
    page = content(database, report)
    table = page["results"][0][2]
    assert [row[0].text for row in table.rows] == ["high", "scratch"]
    assert "permutation" in " ".join(table.caption + table.notes)
    smoke = content(database, replace(report, protocol="smoke"))
    assert lay_out(smoke).count('class="warning"') == 1


def test_a_mark_does_not_move_its_number(page):
    text = lay_out(page)
    assert re.search(r'class="number">0\.82<span class="mark">†</span></td>', text)
    assert '<td class="number"><strong>81.7 ± 1.5</strong></td>' in text
    assert '<th scope="row" class="text name">best_practice</th>' in text


def test_numbers_are_not_torn_apart():
    fixed, joiner = "\N{NO-BREAK SPACE}", "\N{WORD JOINER}"
    assert _set("p = 0.05 of 80.2 ± 6.2 %") == (
        f"p{fixed}={fixed}0.05 of{fixed}80.2{fixed}±{fixed}6.2{fixed}%"
    )
    assert _set("0\N{EN DASH}20") == f"0{joiner}\N{EN DASH}{joiner}20"
    assert str(_breakable("a_<b")) == "a_<wbr>&lt;b"
