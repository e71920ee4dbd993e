"""``explorer report``: everything that was asked for is written, each in the form of its ending."""

import json
import os
import subprocess
import sys
import unicodedata

import pandas as pd
import pytest

from explorer import store
from tests.report import rows


@pytest.fixture
def made(folder):
    """A database of a made-up study, in the working directory."""
    with store.connect("sqlite:///explorer.db", create=True) as database:
        rows.ablation(database)
    return folder


def test_everything_that_was_asked_for_is_written(explorer, made):
    wanted = ["t.md", "new/t.csv", "t.tex", "t.json", "t.parquet"]
    options = [text for path in wanted for text in ("--output", path)]
    frames = ["trials.csv", "r.json", "e.parquet"]
    options += ["--trials", frames[0], "--rungs", frames[1], "--epochs", frames[2]]
    code, out, err = explorer("report", "ablation", *options)
    assert (code, err) == (0, "")
    assert out.splitlines() == [*wanted, *frames]
    assert (made / "t.md").read_text() == explorer("report", "ablation")[1]
    assert "\\begin{tabular}" in (made / "t.tex").read_text()
    names = {"scratch", "none", "best_practice", "high"}
    assert {arm["name"] for arm in json.loads((made / "t.json").read_text())["arms"]} == names
    assert set(pd.read_csv(made / "new/t.csv")["arm"]) == names
    assert set(pd.read_parquet(made / "t.parquet")["arm"]) == names
    assert set(pd.read_csv(made / "trials.csv")["arm"]) == names
    assert {row["arm"] for row in json.loads((made / "r.json").read_text())} <= names
    assert "epoch" in pd.read_parquet(made / "e.parquet")


def test_the_backend_of_a_notebook_has_no_say(made):
    program = "from explorer.cli import main; main()"
    command = [sys.executable, "-c", program, "report", "ablation", "--figures", "figures"]
    subprocess.run(command, env=os.environ | {"MPLBACKEND": "module://nosuch"}, check=True)
    assert (made / "figures" / "accuracy.pdf").stat().st_size > 1000


FORMS = ("markdown", "csv", "json", "latex")
ESCAPES = "-x\x1b[31m\x9b2J"


def test_no_text_of_a_database_does_anything(explorer, folder):
    arms = {"scratch": None, "=1+1": {}, "@cmd": {}, ESCAPES: {}}
    entries = [rows.row(arm, 0, 0.5, ranges=ranges) for arm, ranges in arms.items()]
    entries.append(rows.row("@cmd", 1, state="FAIL", reason="=A1\x1b]0;evil\x07"))
    changes = {"=1+1": {"pretrain": {"augmentation": {"mixup": 0.8}}}}
    name = "../../evil\x1b[2J"
    with store.connect("sqlite:///explorer.db", create=True) as database:
        rows.make_study(database, name, entries, arms=arms, arm_changes=changes)
    printed = [explorer("report", name, "--format", form)[1] for form in FORMS]
    printed += [explorer("status", *which)[1] for which in ([name], [])]
    explorer("report", name, "--trials", "t.csv", "--output", "r.json")
    files = [(folder / file).read_text() for file in ("t.csv", "r.json")]
    for text in (*printed, *files):
        assert not {c for c in text if unicodedata.category(c) == "Cc"} - {"\n"}
    markdown, csv, json_, _, status, _ = printed
    assert r"-x\\x1b\[31m\\x9b2J" in markdown
    assert "augmentation mixup 0.8" in markdown
    assert json.loads(json_)["arms"][3]["name"] == ESCAPES
    assert r"-x\x1b[31m\x9b2J" in status
    for text, cells in ((csv, ("=1+1", "@cmd", "-x")), (files[0], ("=1+1", "@cmd", "=A1"))):
        for cell in cells:
            assert f"'{cell}" in text
            assert f"\n{cell}" not in text
    # A spreadsheet's tables are text to pandas, too, and numbers stay numbers.
    assert pd.read_csv(folder / "t.csv")["accuracy"].tolist()[:4] == [0.5] * 4
    explorer("report", name, "--format", "html")
    assert [path.name for path in (folder / "reports").iterdir()] == ["_.._evil__2J.html"]


def test_what_is_printed_does_not_mix_with_paths(explorer, made):
    code, out, err = explorer("report", "ablation", "--format", "csv", "--output", "t.tex")
    assert (code, err) == (0, "t.tex\n")
    assert out.startswith("arm,")
    assert (made / "t.tex").exists()
    same = explorer("report", "ablation", "--format", "csv", "--output", "t.csv")
    assert same == (0, "t.csv\n", "")


def test_the_page_goes_to_reports_or_where_its_ending_says(explorer, made):
    assert explorer("report", "ablation", "--format", "html")[1] == "reports/ablation.html\n"
    both = explorer("report", "ablation", "--format", "html", "--output", "p.html")
    assert both == (0, "p.html\n", "")
    assert (made / "p.html").read_text() == (made / "reports/ablation.html").read_text()


def test_chosen_arms_in_a_chosen_order(explorer, made):
    assert made

    def shown(*options):
        out = explorer("report", "ablation", "--format", "csv", *options)[1]
        return [line.split(",")[0] for line in out.splitlines()[1:]]

    assert shown("--arms", "high,none") == ["high", "none"]
    assert shown("--arms", "none,best_practice", "--order", "accuracy") == ["best_practice", "none"]
    code, _, err = explorer("report", "ablation", "--arms", "hihg", "--output", "t.md")
    assert code == 2
    assert "--arms: 'hihg': no arm of the study; did you mean 'high'?" in err
    assert not (made / "t.md").exists()
