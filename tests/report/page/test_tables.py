"""The tables of a page that are of nothing else, and bounded."""

from explorer.report import load
from explorer.report.page import details
from tests.report import rows

DASH = "\N{EN DASH}"


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def test_a_protocol_entry_by_entry():
    protocol = {
        "name": "laptop",
        "description": "Two\n cores.",
        "dataset": {"canvas": 64, "images": None},
        "pretrain": {"rungs": [0.5, 1.0], "compile": False, "crop": []},
        "downstream": [{"name": "a"}, {"name": "b"}],
    }
    table = details.protocol_table({"protocol": protocol})
    assert texts(table) == [
        ["dataset.canvas", "64"],
        ["dataset.images", "none"],
        ["pretrain.rungs", "0.5, 1"],
        ["pretrain.compile", "no"],
        ["pretrain.crop", "none"],
        ["downstream.0.name", "a"],
        ["downstream.1.name", "b"],
    ]
    assert table.caption == ("Protocol laptop: Two cores.",)
    assert details.protocol_table({"protocol": {"name": "laptop"}}) is None


def test_a_search_space_names_what_varies():
    perlin = {"formula": "perlin", "parameters": {"scale": {"default": [1, 1]}}}
    definition = rows.define("x", vary=["orbits"], arm_spaces={"texture": perlin})
    assert texts(details.space_table(definition)) == [
        ["visual_atom", "frequency", f"0{DASH}20", f"0{DASH}200", f"0{DASH}200", "arms"],
        ["visual_atom", "orbits", f"1{DASH}200", f"1{DASH}200", f"1{DASH}200", "sampler"],
        ["visual_atom", "noise", f"0{DASH}4", f"0{DASH}20", f"0{DASH}20", DASH],
        ["perlin", "scale", "1", DASH, DASH, DASH],
    ]
    assert details.space_table({}) is None


def test_failures_and_machines(tmp_path):
    wrong = {"state": "FAIL", "ranges": {"frequency": [0, 1]}}
    scored = rows.ablation_rows()
    scored[0]["host"] = "tower"
    scored[1]["cached_from"] = "other/none#0"
    failed = [rows.row(arm, 3, reason="OSError: full", **wrong) for arm in ("none", "high")]
    failed += [rows.row("scratch", 3, reason="x" * 400, **wrong)]
    failed += [rows.row(f"a{i}", 0, reason=f"reason {i}", **wrong) for i in range(23)]
    for row in failed[3:]:
        row["host"] = None
    with rows.connect(tmp_path) as database:
        trials = load(database, rows.make_study(database, "failed", [*scored, *failed]))
        finished = load(database, rows.ablation(database))
    table = details.failures_table(trials)
    assert texts(table)[:2] == [
        ["OSError: full", "2", "none and high"],
        [f"{'x' * 300} ...", "1", "scratch"],
    ]
    assert len(table.rows) == 20
    assert table.caption[0].endswith(" 5 more are not shown.")
    assert details.failures_table(finished) is None  # two were lost, and taken again
    machines = details.machines_table(trials)
    assert texts(machines) == [["box", "cpu", "13", "0.22"], ["tower", "cpu", "1", "0.02"]]
    assert machines.caption[0].endswith("1 further replicate took a result that was known.")


def run(number, **provenance):
    known = {"explorer": "0.1.0", "families": None, **provenance}
    times = {"started_at": rows.BEGIN, "ended_at": None}
    return {"host": "box", "command": f"run {number}", "provenance": known, **times}


def test_runs_and_their_versions():
    several = [run(0, torch="2.6"), run(1, torch="2.7"), run(2, torch="2.6")]
    versions = details.versions_table(several)
    assert texts(versions) == [["explorer", "0.1.0"], ["torch", "2.6, then 2.7"]]
    runs = details.runs_table([run(number) for number in range(23)])
    assert texts(runs)[0] == ["2026-11-23 06:00", DASH, "box", "run 22"]
    assert len(runs.rows) == 20
    assert runs.caption[0].endswith(" 3 more are not shown.")
    assert details.versions_table([]) is details.runs_table([]) is None
