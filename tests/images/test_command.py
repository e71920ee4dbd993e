"""``explorer render``: which options go together, and what it says."""

import json
import signal
import subprocess
import sys
import time

import pytest

AUTHORS = (
    *("--set", "numof_classes=2", "--set", "numof_instances=2", "--set", "image_size=32"),
    *("--set", "vertex_num_max=300", "--set", "line_num_max=3"),
)
COUNTER = ("--categories", "2", "--instances", "3", "--canvas", "32", "--set", "orbits=1..3")


def said(root) -> dict:
    return json.loads((root / "dataset.json").read_text())


def test_the_counter_stream_is_the_default(explorer, tmp_path):
    code, out, _ = explorer("render", "visual_atom", "--output", tmp_path / "set", *COUNTER)
    assert (code, out) == (0, f"6 images in {tmp_path / 'set'}\n")
    manifest = said(tmp_path / "set")
    assert (manifest["stream"], manifest["seed"], manifest["size"]) == ("counter", 0, 32)
    assert manifest["ranges"]["orbits"] == [1, 3]


def test_the_official_stream_takes_the_authors_arguments(explorer, tmp_path):
    code, _, _ = explorer(
        *("render", "visual_atom", "--stream", "official", "--output", tmp_path / "set"),
        *("--seed", "3", *AUTHORS),
    )
    manifest = said(tmp_path / "set")
    assert code == 0
    assert (manifest["stream"], manifest["seeds"]) == ("official", [3])
    assert manifest["arguments"]["vertex_num_max"] == 300
    assert sorted(p.name for p in (tmp_path / "set").iterdir()) == [
        *("00004", "00005", "categories.csv", "checksums.txt", "dataset.json"),
    ]


def test_a_preset_brings_formula_stream_and_arguments(explorer, tmp_path):
    code, out, _ = explorer(
        *("render", "--preset", "visualatom-1k", "--output", tmp_path / "set"),
        *("--set", "numof_classes=20", "--set", "numof_instances=1", "--set", "image_size=32"),
    )
    assert code == 0
    assert out.startswith("20 images")
    assert said(tmp_path / "set")["seeds"] == list(range(1, 21))
    assert said(tmp_path / "set")["arguments"]["line_width"] == 0.1


@pytest.mark.parametrize(
    "options",
    [
        ("--categories", "3", "--instances", "2000", "--canvas", "32", "--set", "orbits=1..9"),
        (
            *("--stream", "official", "--set", "numof_thread=2", "--set", "numof_classes=4"),
            *("--set", "image_size=32", "--set", "line_num_max=9"),
        ),
    ],
    ids=["counter", "official"],
)
def test_an_interrupted_render_goes_on(explorer, tmp_path, options):
    root = tmp_path / "set"
    command = ("render", "visual_atom", "--output", str(root), "--workers", "1", *options)
    program = [sys.executable, "-c", "from explorer.cli import main; main()", *command]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not any(root.rglob("*.png")):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "Interrupted; the same command goes on.\n")
    code, out, _ = explorer("render", "--verify", root)
    assert (code, out) == (1, "unfinished dataset.json\n")
    assert explorer(*command)[0] == 0
    code, out, _ = explorer("render", "--verify", root)
    assert code == 0
    assert f"files in {root} are as they were written\n" in out
    lost = sorted(root.rglob("*.png"))[1]
    lost.unlink()
    code, out, _ = explorer("render", "--verify", root)
    assert (code, out) == (1, f"missing {lost.relative_to(root)}\n")


FORMULA = ("render", "visual_atom", "--output", "x")
OFFICIAL = (*FORMULA, "--stream", "official")
WRONG = [
    ((*FORMULA, "--stream", "authors"), "--stream: 'authors': there is counter and official"),
    (FORMULA, "--categories: is missing"),
    ((*FORMULA, "--categories", "2"), "--instances: is missing"),
    (("render", "visual_atom", *COUNTER), "--output: is missing"),
    (("render", "--output", "x", *COUNTER), "FORMULA: is missing"),
    (("render", "visual_atm", "--output", "x", *COUNTER), "did you mean 'visual_atom'?"),
    (
        (*OFFICIAL, "--categories", "2"),
        "--categories: belongs to the counter stream; write --set n",
    ),
    ((*OFFICIAL, "--canvas", "64"), "--canvas: belongs to the counter stream; write --set image_s"),
    ((*OFFICIAL, "--layout", "npz"), "--layout: belongs to the counter stream"),
    ((*FORMULA, *COUNTER, "--layout", "tar"), "--layout: 'tar': unknown; there is imagefolder, n"),
    ((*OFFICIAL, "--seed", "0"), "--seed: 0: must be at least 1 in the official stream"),
    ((*OFFICIAL, "--set", "orbits=1"), "--set: orbits: unknown argument"),
    ((*OFFICIAL, "--set", "vertex_num_min=1..2"), "write NAME=VALUE in the official stream"),
    ((*OFFICIAL, "--set", "vertex_num_min=0.5"), "--set: vertex_num_min: 0.5: must be an integer"),
    ((*OFFICIAL, "--set", "thread_num=3"), "--set: thread_num: 3: is the seed less 1"),
    ((*OFFICIAL, "--preset", "visualatom"), "--preset: 'visualatom': unknown; did you mean"),
    (
        (*FORMULA, "--stream", "counter", "--preset", "visualatom-1k"),
        "--preset: belongs to the official stream",
    ),
    (("render", "--verify", "x", "visual_atom"), "FORMULA: does not go with --verify"),
    (("render", "--verify", "x"), "x/dataset.json: does not exist; name an exported dataset"),
]


@pytest.mark.parametrize(("arguments", "line"), WRONG, ids=[" ".join(w[0]) for w in WRONG])
def test_wrong_input_is_one_line_and_writes_nothing(
    explorer, tmp_path, monkeypatch, arguments, line
):
    monkeypatch.chdir(tmp_path)
    code, out, err = explorer(*arguments)
    assert (code, out) == (2, "")
    assert line in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
