"""What a study has result, arm by arm; and the digits of the README's table."""

# ruff: noqa: RUF001 - the tables have typographic dashes

import csv
from pathlib import Path

import pytest

from explorer.errors import InputError
from explorer.report import arms_table, arrange, sentences, summarise
from explorer.report.frame import Progress
from explorer.report.statistics import compare_all
from tests.report import rows

DATA = Path(__file__).parents[2] / "docs" / "data" / "frequency_range.csv"
RANGES = {"none": [0, 0], "low": [0, 5], "best_practice": [0, 20], "high": [20, 60],
          "very_high": [60, 200], "wide": [0, 200]}  # fmt: skip


def test_the_digits_of_the_readme(database):
    with DATA.open(encoding="utf-8", newline="") as file:
        assert len({row["arm"] for row in csv.DictReader(file)}) == 7
    arms = {"scratch": None, **{arm: {"frequency": ends} for arm, ends in RANGES.items()}}
    rows.from_csv(database, "frequency_range", DATA, arms)
    table = arms_table(summarise(database, "frequency_range"))
    minus = "\N{MINUS SIGN}"
    assert [[cell.text.replace(minus, "-") for cell in row] for row in table.rows] == [
        line.split(" | ")
        for line in (
            "scratch | no pre-training | 67.1 ± 0.3 | 3 | baseline | – | – | – | – | –",
            (
                "none | frequency 0 | 78.3 ± 2.7 | 3 | +11.2 [+4.6, +17.8] | 0.053†"
                " | 17 | 0.31 | 0.42 | -2.22"
            ),
            (
                "low | frequency 0–5 | 80.5 ± 3.5 | 3 | +13.4 [+4.7, +22.1] | 0.053†"
                " | 15 | 0.27 | 0.43 | -2.27"
            ),
            (
                "best_practice | frequency 0–20 | 80.5 ± 2.4 | 3 | +13.4 [+7.7, +19.2] | 0.037"
                " | 14 | 0.28 | 0.47 | -2.19"
            ),
            (
                "high | frequency 20–60 | 79.0 ± 0.0 | 3 | +11.9 [+11.0, +12.7] | 0.001"
                " | 18 | 0.30 | 0.44 | -1.93"
            ),
            (
                "very_high | frequency 60–200 | 79.0 ± 1.3 | 3 | +11.9 [+9.0, +14.8] | 0.011"
                " | 20 | 0.31 | 0.40 | -2.25"
            ),
            (
                "wide | frequency 0–200 | 77.0 ± 2.9 | 3 | +9.9 [+2.8, +17.0] | 0.053†"
                " | 20 | 0.32 | 0.41 | -2.20"
            ),
        )
    ]


def test_an_arm_by_hand(studies):
    report = summarise(studies, "ablation")
    assert [arm.name for arm in report.arms] == [*rows.ARMS]
    scratch, _, best, _ = report.arms
    assert (best.accuracy.n, best.accuracy.mean) == (3, pytest.approx(0.81667, abs=1e-5))
    assert (best.formula, best.ranges) == ("visual_atom", {"frequency": (0, 20)})
    assert (scratch.formula, scratch.ranges, scratch.variety) == (None, {}, {})
    assert best.tasks["digits"] == best.accuracy
    assert (best.variety["vendi_features"], best.seconds) == (121.0, 60.0)
    assert [r.seed for r in best.replicates] == [0, 1, 2]
    assert (best.difference.gain, scratch.difference) == (pytest.approx(0.10667, abs=1e-5), None)
    assert [arm.name for arm in report.ranked][:2] == ["best_practice", "high"]
    assert report.lead.gain == pytest.approx(0.02)
    assert (report.progress.finished, report.failures) == (True, {})


def test_progress_counts_pairs_and_not_attempts(studies):
    report = summarise(studies, "unfinished")
    assert report.progress == Progress(total=12, complete=3, pruned=0, failed=1, running=2)
    assert (report.progress.waiting, report.progress.done) == (6, 3)
    assert report.failures == {"ValueError: loss is nan": 1}
    assert report.arms[-1].accuracy is None


def test_an_interrupted_replicate_waits(database):
    entries = rows.ablation_rows()[:3]
    entries.append(rows.row("high", 0, state="FAIL", failure_kind="interrupted", reason="Ctrl-C"))
    report = summarise(database, rows.make_study(database, "s", entries))
    assert (report.progress.failed, report.progress.waiting, report.failures) == (0, 9, {})


def test_sampled_arms_come_after_named_ones_by_accuracy(studies):
    report = summarise(studies, "sampled")
    assert [arm.name for arm in report.arms][:2] == ["scratch", "best_practice"]
    sampled = [arm.accuracy.mean for arm in report.arms if arm.sampled]
    assert sampled == sorted(sampled, reverse=True)
    assert len(sampled) == 21  # three were stopped early
    best = report.arms[2]
    assert set(best.ranges) == {"frequency", "orbits", "noise"}
    assert best.trial == 1 + int(best.name[-4:])


def test_without_a_score_of_the_baseline_there_is_no_gain(database):
    entries = [rows.row("none", r, 0.5 + r / 10, ranges=rows.ARMS["none"]) for r in (0, 1)]
    report = summarise(database, rows.make_study(database, "s", entries))
    assert {arm.difference for arm in report.arms} == {None}
    notes = " ".join(arms_table(report).notes)
    assert "The baseline scratch has no score, so no gain is given." in notes


def test_a_study_without_any_score_is_refused(database):
    waits = [rows.row("none", 0, state="RUNNING"), rows.row("none", 1, state="WAITING")]
    rows.make_study(database, "begun", waits)
    with pytest.raises(InputError, match=r"no finished trial .* \(1 running, 11 waiting\)"):
        summarise(database, "begun")
    failed = [
        rows.row(arm, r, state="FAIL", reason=f"E{max(r, i - 1)}")
        for i, arm in enumerate(rows.ARMS)
        for r in range(3)
    ]
    rows.make_study(database, "poison", failed)
    with pytest.raises(InputError, match=r"12 trials failed: E2 \(6 x\), E1 \(4 x\) and E0 \(2 x"):
        summarise(database, "poison")


def test_an_unknown_test_is_refused(studies):
    with pytest.raises(InputError, match="did you mean 'welch'"):
        summarise(studies, "ablation", test="welsh")


def test_arms_are_chosen_and_ordered(studies):
    report = summarise(studies, "ablation")
    chosen = arrange(report, arms=["scratch", "best_practice", "high"])
    assert [arm.name for arm in chosen.rows] == ["scratch", "best_practice", "high"]
    ordered = arrange(report, arms=["scratch", "best_practice", "high"], order="accuracy")
    assert [arm.name for arm in ordered.rows] == ["best_practice", "high", "scratch"]
    every = arrange(report, order="accuracy").rows
    assert [arm.name for arm in every] == ["best_practice", "high", "none", "scratch"]
    with pytest.raises(InputError, match="did you mean 'high'"):
        arrange(report, arms=["higher"])
    with pytest.raises(InputError, match="stands twice"):
        arrange(report, arms=["high", "high"])


FAN_IN = {"model": {"initialisation": "fan_in"}}
CONTROLS = {
    # Arm -> its ranges, what it changes of the protocol, and its scores.
    "scratch": (None, {}, [0.50, 0.52, 0.54]),
    "fan_in": (None, FAN_IN, [0.60, 0.62, 0.64]),
    "shuffled": ({}, {"finetune": {"weights": "shuffled"}}, [0.55, 0.57, 0.59]),
    "larger": (None, {"model": {"name": "vit_base_patch16_224"}}, [0.90, 0.92, 0.94]),
    "waves": ({"frequency": [0, 20]}, {}, [0.70, 0.72, 0.74]),
    "circles": ({"frequency": [0, 0]}, {}, [0.69, 0.72, 0.75]),
}


def of_controls(database, **changes):
    entries = [
        rows.row(arm, r, score, ranges=ranges)
        for arm, (ranges, _, scores) in CONTROLS.items()
        for r, score in enumerate(scores)
    ]
    arms = {arm: ranges for arm, (ranges, _, _) in CONTROLS.items()}
    changed = {arm: parts for arm, (_, parts, _) in CONTROLS.items() if parts}
    parts = {"arms": arms, "arm_changes": changed, **changes}
    return summarise(database, rows.make_study(database, "controls", entries, **parts))


@pytest.mark.parametrize("baseline", [None, "scratch"])
def test_gains_are_over_the_best_control(database, baseline):
    report = of_controls(database, baseline=baseline)
    assert report.controls == ("scratch", "fan_in", "shuffled")  # not the one of another size
    assert report.baseline == "fan_in"
    gains = {arm.name: arm.difference and round(arm.difference.gain, 6) for arm in report.arms}
    nothing = dict.fromkeys(report.controls)
    assert gains == {**nothing, "larger": 0.3, "waves": 0.1, "circles": 0.1}
    expected = compare_all(
        {arm: CONTROLS[arm][2] for arm in ("larger", "waves", "circles")}, CONTROLS["fan_in"][2]
    )
    assert {a.name: a.difference for a in report.arms if a.difference} == expected
    table = arms_table(report)
    place = [column.heading for column in table.columns].index("Gain [points]")
    cells = {row[0].text: row[place].text for row in table.rows}
    assert [cells[arm] for arm in report.controls] == ["control", "best control", "control"]
    assert "Gain over fan_in, the best control, in percentage points" in table.caption[1]
    assert "points above the best control fan_in" in sentences(report)[1]


def test_a_baseline_that_is_no_control_stays_what_gains_are_over(database):
    report = of_controls(database, baseline="waves")
    assert (report.baseline, report.baseline_title) == ("waves", "baseline")
    assert {arm.name for arm in report.arms if arm.difference} == CONTROLS.keys() - {"waves"}


def test_arms_that_cannot_be_told_apart_are_said_in_one_sentence(database):
    parts = {"arms": {"scratch": None, "waves": {"frequency": [0, 20]}, "circles": {}}}
    entries = [
        rows.row(arm, r, score, ranges=parts["arms"][arm])
        for arm, scores in (("scratch", (0.1, 0.2)), ("waves", (0.8, 0.9)), ("circles", (0.7, 0.9)))
        for r, score in enumerate(scores)
    ]
    report = summarise(database, rows.make_study(database, "s", entries, **parts))
    (note,) = [note for note in arms_table(report).notes if "told apart" in note]
    assert note == (
        "No two of the 2 pre-trained arms can be told apart (F test, p = 0.70); to show their "
        "largest difference, waves over circles by 5.0 points, would take about 80 replicates per "
        "arm (power 0.8)."
    )
