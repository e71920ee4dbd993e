"""Drawing from Python: one array, and a dataset for PyTorch."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from explorer import formulas, images

RANGES = {"orbits": (1, 30), "quantization": (50, 100), "radius": (2, 10)}
SMALL = {"categories": 3, "instances": 5, "canvas": 48, "size": 20, "seed": 7}


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    return images.render("visual_atom", RANGES, **SMALL)


@pytest.fixture(scope="module")
def addressed() -> images.Images:
    return images.Images("visual_atom", RANGES, **SMALL)


def test_a_part_of_the_categories_is_the_same_part_of_the_images(drawn):
    part = {**SMALL, "categories": 1, "first_category": 2}
    assert np.array_equal(images.render("visual_atom", RANGES, **part), drawn[10:])
    with pytest.raises(formulas.RangeError, match="first_category: -1: must be in 0"):
        images.render("visual_atom", RANGES, **{**part, "first_category": -1})


@pytest.mark.parametrize("formula", formulas.BUILT_IN)
def test_any_images_in_any_order_by_several_threads_of_a_pickled_plan(formula):
    plan = images.Plan(formula, None, categories=3, instances=4, canvas=64, size=20, seed=7)
    whole = plan.dataset().images
    orders = np.random.default_rng(0).permuted(np.tile(np.arange(12), (8, 1)), axis=1)
    draw = pickle.loads(pickle.dumps(plan)).draw  # noqa: S301
    with ThreadPoolExecutor(4) as pool:
        for order, drawn in zip(orders, pool.map(draw, orders), strict=True):
            assert np.array_equal(drawn, whole[order])
    assert draw([]).shape == (0, 20, 20)
    for wrong in (-1, 12):
        with pytest.raises(IndexError, match=f"index {wrong} of 12 images"):
            draw([0, wrong])


def test_drawing_needs_numpy_numba_and_pillow_only():
    program = """
import sys
import numba, numpy, PIL.Image, PIL.ImageDraw, PIL.ImageFont
numba.njit(lambda a: a @ a)(numpy.eye(2))  # what is installed and numba makes use of
before = set(sys.modules)
from explorer import images
images.render("visual_atom", categories=1, instances=1, canvas=32)
plan = images.Plan("rcdb", None, categories=1, instances=1, canvas=32, size=32, seed=0)
images.contact_sheet([plan])
names = {name.partition(".")[0] for name in set(sys.modules) - before}
allowed = {"explorer", "numpy", "numba", "llvmlite", "PIL", *sys.stdlib_module_names}
print(sorted(names - allowed))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"


def test_an_index_is_an_image_and_its_category(drawn, addressed):
    assert len(addressed) == 15
    for index in (0, 7, 14, -1):
        image, label = addressed[index]
        assert image.dtype == torch.uint8
        assert np.array_equal(image[0], drawn[index])
        assert label == index % 15 // 5
    with pytest.raises(IndexError):
        addressed[15]


def test_a_transform_gets_a_pillow_image(drawn):
    options = {**SMALL, "transform": lambda image: (image.mode, np.asarray(image))}
    (mode, pixels), label = images.Images("visual_atom", RANGES, **options)[6]
    assert (mode, label) == ("L", 1)
    assert np.array_equal(pixels, drawn[6])


def test_wrong_arguments_are_refused_at_once(addressed):
    with pytest.raises(formulas.RangeError, match="size: 49"):
        images.Images("visual_atom", **{**SMALL, "size": 49})
    with pytest.raises(ValueError, match=r"rank 2 is not in 0\.\.1"):
        addressed.stream(rank=2, world_size=2)


def order(addressed, drawn, epoch) -> list[int]:
    """Return the indices that all ranks and workers draw, after comparing their pixels."""
    seen = []
    for rank in range(2):
        stream = addressed.stream(epoch, rank=rank, world_size=2)
        batches = list(DataLoader(stream, batch_size=2, num_workers=2))
        images_, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
        assert len(labels) == len(stream)
        for image, label in zip(images_.numpy(), labels, strict=True):
            (index,) = np.flatnonzero((drawn == image).all(axis=(1, 2)))
            assert label == index // 5
            seen.append(int(index))
    return seen


def test_two_ranks_with_two_workers_draw_every_image_once_in_another_order(addressed, drawn):
    orders = [order(addressed, drawn, epoch) for epoch in (0, 3)]
    assert [sorted(each) for each in orders] == [list(range(15))] * 2
    assert orders[0] != orders[1]
    plain = [label for _, label in addressed.stream(shuffle=False)]
    assert plain == [0] * 5 + [1] * 5 + [2] * 5
