"""What is printed: the tables of a study in every format, and on terminals of every width."""

import csv
import io
import json

import pytest
from rich.console import Console

from explorer.errors import InputError
from explorer.report import arms_table, arrange, render, summarise, terminal
from explorer.report.layout import FORMATS, study_tables
from explorer.report.tables import Cell, Column, Table, markdown
from tests.report import rows

MINUS, DASH, DAGGER = "\N{MINUS SIGN}", "\N{EN DASH}", "\N{DAGGER}"


def show(table, width):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(terminal(table, width=width))
    return console.file.getvalue()


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def headings(table):
    return [column.heading for column in table.columns]


@pytest.fixture(scope="module")
def ablation(studies):
    return summarise(studies, "ablation")


@pytest.fixture(scope="module")
def sampled(studies):
    return summarise(studies, "sampled")


# -- what it says ----------------------------------------------------------------------------------


def test_the_table_of_a_finished_study(ablation):
    table = arms_table(ablation)
    assert headings(table) == [
        *("Arm", "Ranges", "Accuracy [%]", "n", "Gain [points]", "p", "Vendi score"),
        "Edge density",
    ]
    assert texts(table)[:3] == [
        ["scratch", "no pre-training", "71.0 ± 1.0", "3", "baseline", DASH, DASH, DASH],
        ["none", "frequency 0", "71.3 ± 2.1", "3", f"+0.3 [{MINUS}4.0, +4.7]", f"0.82{DAGGER}",
         "101", "0.100"],
        ["best_practice", f"frequency 0{DASH}20", "81.7 ± 1.5", "3", "+10.7 [+7.5, +13.8]", "0.003",
         "121", "0.100"],
    ]  # fmt: skip
    marks = {row[0].text: row[2].emphasis for row in table.rows}
    assert marks == {"scratch": "", "none": "", "best_practice": "best", "high": "second"}
    assert table.caption == (
        (
            "Study ablation under protocol laptop: top-1 accuracy on digits, mean ± standard "
            "deviation, n = 3."
        ),
        (
            "Gain over scratch in percentage points with its 95 % confidence interval; p: "
            "two-sided, of Welch's t-test, Holm-corrected over 3 arms."
        ),
    )
    assert table.notes == (
        f"{DAGGER} not significantly different from scratch (p ≥ 0.05).",
        (
            "Bold: the best mean; underlined: the second, not significantly different from it "
            "(p = 0.18, uncorrected)."
        ),
        "Variety measures are means over replicates.",
    )


def test_no_caption_has_more_than_two_sentences(studies):
    for name in ("unfinished", "sampled"):
        for table in study_tables(summarise(studies, name)).values():
            assert 1 <= len(table.caption) <= 2


def test_an_unfinished_study_says_so(studies):
    table = arms_table(summarise(studies, "unfinished"))
    assert table.notes[-1] == (
        "Preliminary, the study is not finished: 3 of 12 trials done, 1 failed, 2 running."
    )
    best = texts(table)[2]
    assert best[2:6] == ["80.0", "1", "+10.0 (one replicate)", DASH]
    assert "one replicate per arm, n = 1." in table.caption[0]
    assert "No test where there is one replicate." in table.notes


def test_failed_and_stopped_trials_are_counted(sampled):
    assert arms_table(sampled).notes[-2:] == (
        "6 of 52 trials stopped early (pruner median); they count in no mean.",
        "1 of 52 trials failed and is not here.",
    )


def test_sampled_arms_stand_below_a_rule_the_best_alone(sampled):
    table = arms_table(sampled)
    assert (len(table.rows), table.first_sample) == (12, 2)
    assert "11 further arms are not shown." in table.notes
    assert texts(table)[2][0] == "sample-0006 *"
    assert "* on the Pareto front of accuracy and Vendi score." in table.notes
    chosen = arms_table(arrange(sampled, arms=["sample-0001", "scratch"]))
    assert ([row[0] for row in texts(chosen)], chosen.first_sample) == (
        ["sample-0001", "scratch"],
        None,
    )


@pytest.mark.parametrize(
    ("test", "caption"),
    [
        ("permutation", "of a permutation test (at least 0.1 for n = 3"),
        ("dunnett", "all arms together"),
    ],
)
def test_the_caption_names_the_test(studies, test, caption):
    second = arms_table(summarise(studies, "ablation", test=test)).caption[1]
    assert caption in second
    assert ("Holm" in second) == (test == "permutation")


def test_no_spread_has_no_test(database):
    entries = [
        rows.row(arm, r, value, ranges=rows.ARMS[arm])
        for arm, value in (("scratch", 0.5), ("none", 0.6))
        for r in range(3)
    ]
    table = arms_table(summarise(database, rows.make_study(database, "s", entries)))
    assert texts(table)[1][2:6] == ["60.0 ± 0.0", "3", "+10.0 (no spread)", DASH]
    assert "No test where there is no spread." in table.notes


def test_several_tasks_and_formulas_have_their_columns(database):
    tasks = {"digits": 0.6, "pets": 0.4}
    arms = {"scratch": None, "none": {"frequency": [0, 0]}, "photos": {}}
    entries = [rows.row(a, 0, 0.5, ranges=r, tasks=tasks) for a, r in arms.items()]
    changes = {
        "photos": {"dataset": {"images": "my/photos"}},
        "none": {"dataset": {"categories": 8}, "finetune": {"layers": [1, 2], "frozen": True}},
    }
    study = rows.make_study(database, "s", entries, arms=arms, arm_changes=changes)
    table = arms_table(summarise(database, study))
    assert headings(table)[:6] == [
        *("Arm", "Formula", "Ranges", "digits [%]", "pets [%]", "Mean [%]")
    ]
    assert [row[1] for row in texts(table)] == ["no pre-training", "visual_atom", "photos"]
    # No Python syntax: neither lists nor truth values.
    assert texts(table)[1][2] == "frequency 0, categories 8, layers 1, 2, frozen yes"
    assert texts(table)[1][3:6] == ["60.0", "40.0", "50.0"]


def test_smoke_means_nothing_and_says_so_above(database):
    protocol = {"name": "smoke", "downstream": {"name": "digits"}}
    rows.make_study(database, "s", rows.ablation_rows(), protocol=protocol)
    report = summarise(database, "s")
    assert "its accuracies mean nothing" in show(arms_table(report), 80).splitlines()[0]
    for text in (render(report, "markdown").splitlines()[0], render(report, "latex")):
        assert "its accuracies mean nothing" in text


# -- the terminal ----------------------------------------------------------------------------------


def test_a_narrow_terminal_names_what_it_leaves_out(ablation):
    table = arms_table(ablation)
    wide, usual, narrow, least = (show(table, width) for width in (120, 80, 40, 12))
    assert "Left out" not in wide
    assert "Left out for want of width: Edge density." in " ".join(usual.split())
    assert "Ranges, Gain [points], p" in " ".join(narrow.split())
    for shown in (wide, usual, narrow):
        for arm in rows.ARMS:
            assert arm in shown
    assert "best_practi…" in least
    assert max(map(len, usual.splitlines())) <= 80


def test_long_ranges_are_wrapped(sampled):
    lines = show(arms_table(sampled), 110).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("sample-0006"))
    assert "74.78 ± 1.13" in lines[start]
    assert lines[start + 1].startswith(" ")


# -- formats ---------------------------------------------------------------------------------------


def test_markdown_escapes_and_emphasises():
    columns = [Column("A|b", text=True), Column("x [%]")]
    cells = ((Cell("a_*<b>"), Cell("1", "best")), (Cell("-"), Cell("2", "second")))
    text = markdown(Table(tuple(columns), cells, ("One.", "Two."), ("Three & four.",)))
    assert text == (
        "| A\\|b | x \\[%\\] |\n| :--- | ---: |\n| a\\_\\*&lt;b&gt; | **1** |\n| - | <u>2</u> |\n"
        "\nOne. Two.\n\nThree &amp; four.\n"
    )


def test_csv_has_every_arm_in_full_precision(sampled):
    result = [*csv.DictReader(io.StringIO(render(sampled, "csv")))]
    assert [row["arm"] for row in result] == [arm.name for arm in sampled.arms]
    best = result[2]
    assert float(best["accuracy"]) == sampled.arms[2].accuracy.mean
    assert float(best["p.corrected"]) == sampled.arms[2].difference.p_corrected
    assert (best["sampled"], best["front"], best["significant"]) == ("1", "1", "0")
    assert (result[0]["formula"], result[1]["gain"], result[0]["variety.vendi_features"]) == (
        "",
    ) * 3


def test_json_has_the_report_and_its_analyses(sampled):
    content = json.loads(render(sampled, "json"))
    assert content["progress"]["done"] == 51
    assert content["arms"][2]["difference"]["significant"] is False
    assert content["lead"]["significant"] is False
    assert content["front"] == ["sample-0006", "sample-0022"]
    assert set(content["correlations"]) == {"vendi_features", "edge_density"}


@pytest.mark.parametrize("kind", FORMATS.values())
@pytest.mark.parametrize("name", ["ablation", "unfinished", "sampled"])
def test_every_format_of_every_study(studies, name, kind):
    text = render(summarise(studies, name), kind)
    assert text.endswith("\n")
    assert "nan" not in text.replace("loss is nan", "").lower()


def test_an_unknown_format_is_refused(ablation):
    with pytest.raises(InputError, match="did you mean 'markdown'"):
        render(ablation, "markdwon")
