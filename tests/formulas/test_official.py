"""The official stream against digests of the authors' own images."""

import hashlib
import json
import random
from pathlib import Path

import numpy as np
import pytest

from benchmarks import plain
from explorer import authors
from explorer.authors import kernels
from explorer.formulas import RangeError

GOLDEN = json.loads((Path(__file__).parent / "golden" / "official.json").read_text())

SMALL = {
    "numof_classes": 2,
    "numof_instances": 2,
    "image_size": 64,
    "vertex_num_min": 20,
    "vertex_num_max": 60,
    "line_num_max": 9,
    "start_pos": 64,
}


@pytest.mark.parametrize(
    "case", GOLDEN, ids=lambda case: f"{case['formula']}-{case['arguments']['thread_num']}"
)
def test_pixels_are_the_authors(case):
    images = list(authors.render(case["formula"], case["arguments"]))
    assert [name for name, _ in images] == list(case["sha256"])
    for name, image in images:
        assert image.dtype == np.uint8
        assert hashlib.sha256(image.tobytes()).hexdigest() == case["sha256"][name]


SMALL_RCDB = {"numof_classes": 2, "numof_instances": 2, "image_size": 64, "start_pos": 50}
EDGES = [
    ("visual_atom", {"vertex_num_min": 9_000, "vertex_num_max": 9_001}),  # more than fit the raster
    ("visual_atom", {"line_num_min": 0, "line_num_max": 0}),
    ("visual_atom", {"vertex_num_min": 1, "vertex_num_max": 3}),
    ("visual_atom", {"perlin_min": 3, "line_width": 2.5, "oval_rate": 1, "start_pos": 0}),
    ("visual_atom", {"nami_1_min": 4, "nami_1_max": 4, "nami_2_min": 3, "nami_2_max": 4}),
    ("visual_atom", {"nami_1_min": 0, "nami_1_max": 0, "nami_2_min": 0, "nami_2_max": 0}),
    ("visual_atom", {"radius_min": 70, "start_pos": 640, "numof_instances": 5}),
    ("rcdb", {"line_num_min": 0}),
    ("rcdb", {"vertex_num": 3, "radius_min": 20}),
    ("rcdb", {"vertex_num": 20_000, "numof_classes": 1}),
    ("rcdb", {"perlin_min": 3, "line_width": 2.5, "oval_rate": 1, "start_pos": 0}),
    ("rcdb", {"image_size": 900, "numof_classes": 1}),
    ("rcdb", {"numof_classes": 6, "numof_thread": 3, "thread_num": 1}),
]


@pytest.mark.parametrize(("formula", "given"), EDGES)
def test_pixels_are_those_of_plain_python(formula, given):
    given = {**(SMALL if formula == "visual_atom" else SMALL_RCDB), **given}
    expected = getattr(plain, f"official_{formula}")({**authors.arguments(formula), **given})
    drawn = authors.render(formula, given)
    for (_, image), (wanted, _) in zip(drawn, expected, strict=True):
        assert np.array_equal(image, wanted)


def test_a_process_draws_its_share_of_the_categories():
    given = {**SMALL, "numof_classes": 7, "numof_thread": 3, "thread_num": 2, "start_class": 100}
    names = [name for name, _ in authors.render("visual_atom", given)]
    assert [name[:6] for name in names] == ["00104/"] * 2 + ["00105/"] * 2
    assert names[1].endswith("_instance_0001.png")


def test_words_continue_the_generator_of_cpython():
    rng = random.Random(11)
    [rng.random() for _ in range(300)]
    state = np.array(rng.getstate()[1], np.uint32)
    drawn = np.empty(4_000, np.uint32)
    kernels.words(state, drawn[:3])
    kernels.words(state, drawn[3:])
    assert drawn.tolist() == [rng.getrandbits(32) for _ in range(4_000)]
    assert tuple(state.tolist()) == rng.getstate()[1]


def test_integers_and_doubles_are_those_of_cpython():
    rng = random.Random(12)
    state = np.array(rng.getstate()[1], np.uint32)
    for high in [255, 256, 1, 2, 3, 127, 2048, 2**31 - 1] * 100:
        assert kernels.integer(state, high) == rng.randint(0, high)
        pair = np.empty(2, np.uint32)
        kernels.words(state, pair)
        assert kernels.unit(pair[0], pair[1]) == rng.random()


@pytest.mark.parametrize(
    ("formula", "given", "message"),
    [
        (
            "visual_atom",
            {"vertex_num": 3},
            "vertex_num: unknown argument; did you mean 'vertex_num",
        ),
        ("visual_atom", {"numof_classes": 1.5}, "numof_classes: 1.5: must be an integer"),
        ("visual_atom", {"vertex_num_min": 0}, "vertex_num_min: 0: must be at least 1"),
        ("visual_atom", {"vertex_num_max": 99}, "vertex_num_max: 99: is below vertex_num_min"),
        ("visual_atom", {"line_num_min": -1}, "line_num_min: -1: must be at least 0"),
        ("visual_atom", {"image_size": 5000}, "image_size: 5000: must be at most 4096"),
        ("visual_atom", {"numof_thread": 0}, "numof_thread: 0: must be at least 1"),
        ("visual_atom", {"thread_num": -1}, "thread_num: -1: must be at least 0"),
        ("visual_atom", {"start_pos": -1}, "start_pos: -1: must be at least 0"),
        ("visual_atom", {"nami_2_min": 4, "nami_2_max": 4}, "nami_2_max: 4: the second frequency"),
        ("rcdb", {"vertex_num": 2}, "vertex_num: 2: must be at least 3"),
        ("rcdb", {"image_size": 65}, "image_size: 65: must be even"),
        ("rcdb", {"nami_1_min": 1}, "nami_1_min: unknown argument"),
        ("visual_atm", {}, "visual_atm: has no official stream; did you mean"),
    ],
)
def test_what_the_authors_programs_cannot_work_with_is_refused_at_once(formula, given, message):
    with pytest.raises(RangeError, match=message):
        authors.render(formula, given)
