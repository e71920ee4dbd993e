"""What a study has result, arm by arm; and the digits of the README's table."""

from pathlib import Path

import pytest

from explorer.errors import InputError
from explorer.report import arms_table, arrange, sentences, status, study_tables, summarise
from explorer.report.analysis import front
from explorer.report.frame import Progress
from explorer.report.page.content import content
from explorer.report.statistics import compare_all
from explorer.report.tables import markdown
from explorer.study import load_study
from tests.report import rows
from tests.report.trials import add_trials

ROOT = Path(__file__).parents[2]
DATA = ROOT / "docs" / "results" / "frequency_range.csv"
"""What ``explorer report frequency_range --trials`` wrote of the README's study."""


def test_the_digits_of_the_readme(database):
    definition = load_study("frequency_range").definition()
    parts = {key: definition[key] for key in ("arm_changes", "baseline", "replicates")}
    rows.from_csv(database, "frequency_range", DATA, definition["arms"], **parts)
    lines = markdown(arms_table(summarise(database, "frequency_range"))).splitlines()
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    begin = readme.index(lines[0])
    assert readme[begin : begin + len(lines)][: lines.index("")] == lines[: lines.index("")]


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
    (note,) = [note for note in arms_table(report).notes if "differ significantly" in note]
    assert note == (
        "No two of the 2 pre-trained arms differ significantly (F test, p = 0.70); to show their "
        "largest difference, waves over circles by 5.0 points, would take about 80 replicates per "
        "arm (power 0.8)."
    )


@pytest.mark.parametrize(("way", "best"), [("maximize", "b"), ("minimize", "c")])
def test_a_study_of_variety_alone_is_ordered_by_it(database, way, best):
    values = {"a": (0.2, 3.0), "b": (0.4, 1.0), "c": (0.1, 5.0), "d": (0.15, 4.0)}
    entries = [
        rows.row(f"sample-{arm}", 0, ranges={"frequency": [0, i]}, scored=False,
                 variety={"edge_density": edges, "vendi_features": vendi})
        for i, (arm, (edges, vendi)) in enumerate(values.items())
    ]  # fmt: skip
    objectives = [{"variety.edge_density": way}, {"variety.vendi_features": "maximize"}]
    parts = {"arms": {}, "vary": ["frequency"], "objectives": objectives, "replicates": 1}
    name = rows.make_study(database, "v", entries, sampler={"name": "qmc", "samples": 4}, **parts)
    report = summarise(database, name)
    assert (report.trains, report.ranked) == (False, [])
    assert report.arms[0].name == f"sample-{best}"
    # The most edges have the least variety, and the least edges the most.
    assert [arm.name[-1] for arm in front(report)] == (list("badc") if way == "maximize" else ["c"])
    tables = study_tables(report)
    assert [*tables] == ["arms", "front"]
    headings = [column.heading for column in tables["arms"].columns]
    assert headings == ["Arm", "Ranges", "n", "Edge density", "Vendi score"]
    assert "accura" not in " ".join((*tables["arms"].caption, *tables["arms"].notes))
    ways = {"maximize": "high", "minimize": "low"}
    assert f"front of {ways[way]} Edge density and high Vendi" in tables["front"].caption[0]
    assert status(database, name).ranked[0].name == f"sample-{best}"
    add_trials(database, name)
    page = content(database, name)
    assert "accuracy" not in {figure.name for figure in page["figures"]}
    assert {"pareto_front", "slice"} <= {figure.name for figure in page["figures"]}
    assert [sheet["arm"] for sheet in page["sheets"]] == [arm.name for arm in report.arms]
