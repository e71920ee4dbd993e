"""What is printed: every format, and the file it goes to."""

import csv
import io
import json
import os
import re
import stat
from pathlib import Path

import pytest
from optuna.trial import TrialState
from rich.console import Console

from explorer.errors import InputError
from explorer.report import FORMATS, arrange, render, summarise, terminal, write
from explorer.report.layout import lay_out
from tests.report.conftest import SCORES, failure, finished_trials, trial

MINUS, DASH, DAGGER = "\N{MINUS SIGN}", "\N{EN DASH}", "\N{DAGGER}"
ROWS = [
    ["scratch", "no pre-training", "71.0 ± 1.0", "3", "baseline", DASH, DASH, DASH],
    [
        "none",
        "frequency 0",
        "71.3 ± 2.1",
        "3",
        f"+0.3 [{MINUS}4.0, +4.7]",
        f"0.82{DAGGER}",
        "101",
        "0.100",
    ],
    [
        "best_practice",
        f"frequency 0{DASH}20",
        "81.7 ± 1.5",
        "3",
        "+10.7 [+7.5, +13.8]",
        "0.003",
        "121",
        "0.100",
    ],
    [
        "high",
        f"frequency 20{DASH}60",
        "79.7 ± 1.5",
        "3",
        "+8.7 [+5.5, +11.8]",
        "0.004",
        "161",
        "0.100",
    ],
]
CAPTION = (
    "Study frequency_range under protocol laptop: top-1 accuracy on digits, mean ± standard "
    "deviation over replicates, n = 3. Gain over scratch in percentage points with its 95 % "
    "confidence interval; two-sided p of Welch's t-test (unpaired although arms share their "
    "seeds: with few replicates, pairing pays only where arms correlate strongly), Holm-corrected "
    f"over 3 arms. {DAGGER} not told apart from scratch (no p below 0.05). The best mean is bold, "
    "the second underlined; the two are not told apart (p = 0.18, uncorrected). Variety measures "
    "are means over replicates."
)


def show(report, width):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(terminal(report, width=width))
    return console.file.getvalue()


def sampled_study(make_study, samples):
    trials = [
        trial(f"sample-{i:04d}", r, 0.5 + i / 100 + r / 50, frequency=(i, 99))
        for i in range(samples)
        for r in range(2)
    ]
    return make_study(
        [trial("scratch", 0, 0.4), trial("scratch", 1, 0.42), *trials],
        arms={"scratch": None},
        sampler={"name": "qmc", "samples": samples},
        vary=["frequency"],
        replicates=2,
    )


# -- the table -----------------------------------------------------------------------------------


def test_layout_of_a_finished_study(study):
    layout = lay_out(summarise(study))
    assert [column.heading for column in layout.columns] == [
        "Arm",
        "Ranges",
        "Accuracy [%]",
        "n",
        "Gain [points]",
        "p",
        "Vendi score",
        "Edge density",
    ]
    assert [[cell.text for cell in row] for row in layout.rows] == ROWS
    marks = {row[0].text: row[2].emphasis for row in layout.rows}
    assert marks == {"scratch": "", "none": "", "best_practice": "best", "high": "second"}
    assert " ".join(layout.caption) == CAPTION


def test_an_unfinished_study_says_so(make_study):
    trials = [*finished_trials()[:7], failure("high", 1, "ValueError: bad")]
    caption = " ".join(lay_out(summarise(make_study(trials))).caption)
    assert caption.endswith(
        "Preliminary, the study is not finished: 7 of 12 trials done, 1 trial failed."
    )
    assert f"n = 1{DASH}2" in caption


def test_a_finished_study_with_failures_says_so(make_study):
    trials = [*finished_trials()[:-1], failure("high", 2, "ValueError: bad")]
    caption = " ".join(lay_out(summarise(make_study(trials))).caption)
    assert caption.endswith("Of 12 trials, 1 trial failed and are not in the table.")


def test_one_replicate_has_no_interval_and_says_so(make_study):
    report = summarise(make_study(finished_trials()[:4], replicates=1))
    layout = lay_out(report)
    best = [cell.text for cell in layout.rows[2]]
    assert best[2:6] == ["80.0", "1", "+10.0 (one replicate)", DAGGER]
    caption = " ".join(layout.caption)
    assert "one replicate an arm, n = 1." in caption
    assert "An arm with one replicate has no standard deviation, interval or test." in caption
    assert "Welch" not in caption
    assert "(one replicate: untested)" in caption


def test_no_spread_has_no_test_and_says_so(make_study):
    trials = [trial(arm, r, v) for arm, v in (("scratch", 0.5), ("none", 0.6)) for r in range(3)]
    layout = lay_out(summarise(make_study(trials)))
    assert layout.rows[1][3].text == "3"
    assert layout.rows[1][4].text == "+10.0 (no spread)"
    assert layout.rows[1][2].text == "60.0 ± 0.0"
    assert "there is no test" in " ".join(layout.caption)


def test_without_the_baseline_there_is_no_gain(make_study):
    layout = lay_out(summarise(make_study([trial("none", 0, 0.6), trial("none", 1, 0.7)])))
    assert "p" not in [column.heading for column in layout.columns]
    assert "The baseline scratch has no finished trial" in " ".join(layout.caption)
    assert layout.rows[0][2].text == DASH
    assert layout.rows[2][1].text == f"frequency 0{DASH}20"


def test_equal_means_are_marked_alike(make_study):
    trials = [
        trial(arm, 0, value)
        for arm, value in (("none", 0.6), ("high", 0.6), ("best_practice", 0.5), ("scratch", 0.4))
    ]
    layout = lay_out(summarise(make_study(trials)))
    marks = {row[0].text: row[2].emphasis for row in layout.rows}
    assert marks == {"scratch": "", "none": "best", "best_practice": "second", "high": "best"}


def test_several_tasks_are_columns_beside_their_mean(make_study):
    trials = [
        trial("none", r, 0.5 + r / 10, **{"accuracy.digits": 0.6, "accuracy.pets": 0.4 + r / 5})
        for r in range(2)
    ]
    layout = lay_out(summarise(make_study(trials)))
    headings = [column.heading for column in layout.columns]
    assert headings == ["Arm", "Ranges", "digits [%]", "pets [%]", "Mean [%]", "n"]
    # A median standard deviation of 7 points: one decimal.
    assert [c.text for c in layout.rows[1]][2:5] == ["60.0 ± 0.0", "50.0 ± 14.1", "55.0 ± 7.1"]


def test_sampled_arms_are_cut_in_print_and_kept_in_data(make_study):
    report = summarise(sampled_study(make_study, 14))
    layout = lay_out(report)
    assert layout.first_sample == 1
    names = [row[0].text for row in layout.rows]
    assert names == ["scratch", *(f"sample-{i:04d}" for i in range(13, 3, -1))]
    assert "(4 more are not shown)" in " ".join(layout.caption)
    assert "overestimated" in " ".join(layout.caption)
    assert "Holm-corrected over 14 arms" in " ".join(layout.caption)
    assert len(list(csv.DictReader(io.StringIO(render(report, "csv"))))) == 15
    assert render(report, "latex").partition(r"\end{table}")[0].count(r"\midrule") == 2


def test_rows_are_chosen_and_ordered(study):
    found = arrange(summarise(study), arms=["high", "scratch"])
    layout = lay_out(found)
    assert [row[0].text for row in layout.rows] == ["high", "scratch"]
    assert [row[2].emphasis for row in layout.rows] == ["best", "second"]
    assert layout.first_sample == 2
    caption = " ".join(layout.caption)
    # What is not shown was compared all the same.
    assert [cell.text for cell in layout.rows[0]][5] == ROWS[3][5]
    assert "Holm-corrected over 3 arms" in caption
    assert "2 further arms of the study are not shown." in caption
    assert "the two are told apart (p = 0.002, uncorrected)" in caption
    assert [row.split(",")[0] for row in render(found, "csv").splitlines()[1:]] == [
        "high",
        "scratch",
    ]
    assert len(json.loads(render(found, "json"))["arms"]) == 4
    by_accuracy = lay_out(arrange(summarise(study), order="accuracy"))
    names = [row[0].text for row in by_accuracy.rows]
    assert names == ["best_practice", "high", "none", "scratch"]


def test_chosen_samples_are_shown_in_any_number_and_order(make_study):
    report = summarise(sampled_study(make_study, 14))
    names = ["sample-0003", "scratch", *(f"sample-{i:04d}" for i in range(4, 14))]
    layout = lay_out(arrange(report, arms=names))
    assert [row[0].text for row in layout.rows] == names
    assert "3 further arms of the study are not shown." in " ".join(layout.caption)
    ordered = lay_out(arrange(report, order="accuracy"))
    assert [row[0].text for row in ordered.rows] == [row[0].text for row in lay_out(report).rows]


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        (["high", "hgih"], "--arms: 'hgih': no arm of the study; did you mean 'high'"),
        (["high", "none", "high"], "--arms: 'high': stands twice"),
    ],
)
def test_rows_that_cannot_be_chosen(study, arms, said):
    with pytest.raises(InputError, match=re.escape(said)):
        arrange(summarise(study), arms=arms)


def test_the_best_of_every_task_is_marked(make_study):
    scores = {"none": (0.7, 0.3), "high": (0.6, 0.5), "scratch": (0.1, 0.1)}
    trials = [
        trial(arm, r, sum(of) / 2, **{"accuracy.digits": of[0], "accuracy.pets": of[1] + r / 99})
        for arm, of in scores.items()
        for r in range(2)
    ]
    layout = lay_out(summarise(make_study(trials)))
    marks = {row[0].text: [cell.emphasis for cell in row[2:5]] for row in layout.rows}
    assert marks["none"] == ["best", "second", "second"]
    assert marks["high"] == ["second", "best", "best"]
    assert marks["scratch"] == ["", "", ""]
    assert "The best mean of each column is bold" in " ".join(layout.caption)


def test_a_permutation_test_is_named_and_its_limit_said(study):
    layout = lay_out(summarise(study, test="permutation"))
    assert [row[5].text for row in layout.rows] == [
        DASH,
        *[f"{p}{DAGGER}" for p in ("1.00", "0.30", "0.30")],
    ]
    caption = " ".join(layout.caption)
    assert "two-sided p of a permutation test of the difference of means" in caption
    assert (
        "With 3 replicates of scratch and 3 comparisons no corrected p can be below 0.30."
        in caption
    )
    assert "Welch's t-test" not in caption


# -- formats -------------------------------------------------------------------------------------


def test_markdown(study):
    lines = render(summarise(study), "markdown").splitlines()
    assert lines[1] == "| :--- | :--- | ---: | ---: | ---: | ---: | ---: | ---: |"
    assert lines[4] == (
        f"| best\\_practice | frequency 0{DASH}20 | **81.7 ± 1.5** | 3 | "
        "+10.7 \\[+7.5, +13.8\\] | 0.003 | 121 | 0.100 |"
    )
    assert "<u>79.7 ± 1.5</u>" in lines[5]
    assert {line.count("|") for line in lines[:6]} == {9}
    assert lines[7] == CAPTION.replace("_", "\\_")


def test_markdown_escapes(make_study):
    arms = {"scratch": None, "a|b*<c>": {"frequency": [0, 1]}}
    text = render(summarise(make_study([trial("a|b*<c>", 0, 0.5)], arms=arms)), "markdown")
    assert "a\\|b\\*&lt;c&gt;" in text


def test_csv_is_complete_and_in_full_precision(study):
    report = summarise(study)
    rows = list(csv.DictReader(io.StringIO(render(report, "csv"))))
    assert [row["arm"] for row in rows] == list(SCORES)
    best, scratch = rows[2], rows[0]
    arm = report.arms[2]
    assert float(best["accuracy"]) == arm.accuracy.mean
    assert float(best["accuracy.digits.std"]) == arm.tasks["digits"].std
    assert float(best["gain.low"]) == arm.difference.low
    assert float(best["p.holm"]) == arm.difference.p_corrected
    assert (best["resolved"], rows[1]["resolved"], scratch["resolved"]) == ("1", "0", "")
    assert (best["frequency.low"], best["frequency.high"]) == ("0.0", "20.0")
    assert scratch["frequency.low"] == scratch["gain"] == scratch["variety.vendi_features"] == ""


def test_json_has_everything_by_name(study):
    content = json.loads(render(summarise(study), "json"))
    assert content["study"] == "frequency_range"
    assert content["progress"]["finished"]
    best = content["arms"][2]
    assert [r["accuracy"] for r in best["replicates"]] == SCORES["best_practice"]
    assert [r["number"] for r in best["replicates"]] == [2, 6, 10]
    assert best["difference"]["resolved"]
    assert best["ranges"] == {"frequency": [0, 20]}
    assert not content["lead"]["resolved"]


def test_json_has_no_number_that_json_does_not_have(make_study):
    made = make_study([trial("none", 0, 0.5, **{"variety.vendi_features": float("inf")})])
    text = render(summarise(made), "json")
    assert json.loads(text)["arms"][1]["variety"]["vendi_features"] is None
    assert not re.search(r"Infinity|NaN", text)


def test_an_unknown_format(study):
    with pytest.raises(InputError, match=r"--format: 'latx': unknown; did you mean 'latex'"):
        render(summarise(study), "latx")


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_study_gives_the_same_text(study, name):
    text = render(summarise(study), name)
    assert text == render(summarise(study), name)
    assert text.endswith("\n")


# -- the terminal --------------------------------------------------------------------------------


def test_terminal_fits_80_columns_without_wrapping_a_row(study):
    text = show(summarise(study), 80)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    for row in ROWS:
        (line,) = (line for line in lines if line.startswith(f"{row[0]} "))
        for cell in row[1:6]:
            assert cell in line
    assert "Vendi" not in text  # no room for the variety measures


def test_terminal_shows_variety_where_there_is_room(study):
    text = show(summarise(study), 120)
    assert "Vendi" in text
    assert "0.100" in text


def test_terminal_prints_names_as_they_are(make_study):
    arms = {"scratch": None, "[red]x": {"frequency": [0, 1]}}
    assert "[red]x" in show(summarise(make_study([trial("[red]x", 0, 0.5)], arms=arms)), 80)


# -- files ---------------------------------------------------------------------------------------


def test_write_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "a" / "b.md"
    write("one ±\n", path)
    write("two ±\n", path)
    assert path.read_bytes() == "two ±\n".encode()
    assert [p.name for p in path.parent.iterdir()] == ["b.md"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_write_leaves_the_old_file_where_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "a.md"
    write("old", path)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        write("new", path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.md"]


def test_write_to_what_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--output: '.*': cannot be written: .*is a folder"):
        write("x", tmp_path)
    with pytest.raises(InputError, match="cannot be written: "):
        write("x", tmp_path / "file" / "x.md")


def test_variety_against_accuracy_is_a_table_of_its_own(study):
    text = render(summarise(study), "markdown")
    table = text.split("\n\n")[2]
    assert table.splitlines()[0] == "| Variety measure | Spearman's rho | n |"
    # The measure of each trial is 100 + the high end of its frequencies + its replicate.
    assert "| Vendi score | +0.63 | 9 |" in table
    assert "3 arms are too few for an interval" in text
    found = json.loads(render(summarise(study), "json"))["correlations"]["vendi_features"]
    assert found["value"] == pytest.approx(0.63, abs=0.005)


def test_a_variety_measure_has_the_decimals_that_its_replicates_leave_certain(make_study):
    measured = {"none": ((14.23, 0.4211), (15.61, 0.4252)), "high": ((9.04, 0.3), (9.94, 0.306))}
    trials = [
        trial(
            arm,
            replicate,
            0.7,
            frequency=(0, i),
            **{"variety.vendi_features": vendi, "variety.edge_density": edges},
        )
        for i, (arm, found) in enumerate(measured.items())
        for replicate, (vendi, edges) in enumerate(found)
    ]
    rows = {row[0].text: row for row in lay_out(summarise(make_study(trials))).rows}
    # Standard deviations of 0.98 and 0.64, and of 0.003 and 0.004.
    assert [cell.text for cell in rows["none"][-2:]] == ["14.9", "0.423"]
    assert [cell.text for cell in rows["high"][-2:]] == ["9.5", "0.303"]


def test_what_was_stopped_early_is_said_and_counts_in_no_mean(make_study):
    trials = finished_trials()
    for index in (7, 11):  # high #1 and #2
        trials[index] = trial("high", index // 4, 0.1, state=TrialState.PRUNED, frequency=(20, 60))
        del trials[index].user_attrs["accuracy.digits"]
    found = summarise(make_study(trials, pruner={"name": "median"}))
    assert (found.progress.pruned, found.progress.finished) == (2, True)
    text = render(found, "markdown")
    assert "2 of 12 replicates stopped early (pruner median): they count in no mean" in text
    assert f"n = 1{DASH}3" in text
    row = next(line for line in text.splitlines() if line.startswith("| high"))
    assert [cell.strip() for cell in row.split("|")][3:5] == ["<u>78.0</u>", "1"]
    assert "stopped early" not in render(summarise(make_study(finished_trials())), "markdown")


def test_an_arm_that_was_stopped_altogether_has_a_row(make_study):
    trials = [
        one
        if one.user_attrs["arm"] != "high"
        else trial("high", one.user_attrs["replicate"], state=TrialState.PRUNED)
        for one in finished_trials()
    ]
    text = render(summarise(make_study(trials, pruner={"name": "wilcoxon"})), "markdown")
    row = next(line for line in text.splitlines() if line.startswith("| high"))
    assert [cell.strip() for cell in row.split("|")][3:5] == [DASH, "0"]
