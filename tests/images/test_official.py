"""An authors' dataset made again by parallel processes."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer import authors
from explorer import images as dataset
from explorer.authors import streams
from explorer.errors import InputError
from explorer.formulas import RangeError

SMALL = {
    "numof_classes": 6,
    "numof_instances": 2,
    "numof_thread": 3,
    "image_size": 48,
    "vertex_num_min": 20,
    "vertex_num_max": 60,
    "line_num_max": 9,
    "start_pos": 48,
}
GOLDEN = Path(__file__).parents[1] / "formulas" / "golden" / "official.json"


def plan(seed=None, workers=None, **changes) -> dataset.OfficialPlan:
    return dataset.OfficialPlan("visual_atom", {**SMALL, **changes}, seed, workers)


def expected(seeds=(1, 2, 3)) -> dict[str, np.ndarray]:
    return {
        name: image
        for seed in seeds
        for name, image in authors.render("visual_atom", {**SMALL, "thread_num": seed - 1})
    }


def pixels(root) -> dict[str, np.ndarray]:
    found = {}
    for path in root.rglob("*.png"):
        with Image.open(path) as file:
            assert file.mode == "L"
            found[str(path.relative_to(root))] = np.asarray(file)
    return found


def content(root) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def same(found, wanted) -> bool:
    return found.keys() == wanted.keys() and all(
        np.array_equal(found[name], wanted[name]) for name in wanted
    )


def test_all_processes_are_drawn_under_the_authors_names(tmp_path):
    done = []
    manifest = dataset.export_official(plan(), tmp_path / "set", progress=done.append)
    assert sum(done) == plan().total == 12
    assert same(pixels(tmp_path / "set"), expected())
    said = json.loads(manifest.read_text())
    assert said["stream"] == "official"
    assert said["seeds"] == [1, 2, 3]
    assert said["arguments"] == {
        name: value
        for name, value in {**authors.arguments("visual_atom"), **SMALL}.items()
        if name != "thread_num"
    }
    assert [entry["categories"] for entry in said["processes"]] == [[0, 1], [2, 3], [4, 5]]
    first = hashlib.sha256()
    for name, image in expected((1,)).items():
        first.update(name.encode() + image.tobytes())
    assert said["processes"][0]["digest"] == first.hexdigest()
    each = "".join(entry["digest"] for entry in said["processes"])
    assert said["digest"] == hashlib.sha256(each.encode()).hexdigest()


def test_the_pixels_are_the_authors(tmp_path):
    case = next(c for c in json.loads(GOLDEN.read_text()) if c["formula"] == "visual_atom")
    given = dict(case["arguments"])
    seed = given.pop("thread_num") + 1
    dataset.export_official(dataset.OfficialPlan("visual_atom", given, seed), tmp_path)
    found = pixels(tmp_path)
    digests = {name: hashlib.sha256(image.tobytes()).hexdigest() for name, image in found.items()}
    assert digests == case["sha256"]


def test_a_seed_draws_its_process_only(tmp_path):
    dataset.export_official(plan(seed=2), tmp_path)
    assert same(pixels(tmp_path), expected((2,)))
    assert dataset.Stored(tmp_path).verify() == ()


def test_workers_do_not_change_a_file(tmp_path):
    dataset.export_official(plan(workers=1), tmp_path / "one")
    dataset.export_official(plan(workers=4), tmp_path / "four")
    assert content(tmp_path / "one") == content(tmp_path / "four")


class StopError(Exception):
    pass


def test_an_interrupted_export_goes_on(tmp_path, monkeypatch):
    whole, root = tmp_path / "whole", tmp_path / "set"
    dataset.export_official(plan(), whole)
    left = [9]

    def stop(count):
        left[0] -= count
        if left[0] < 0:
            raise StopError

    with pytest.raises(StopError):
        dataset.export_official(plan(workers=1), root, progress=stop)
    noted = json.loads((root / "dataset.json").read_text())
    assert noted["digest"] is None
    assert [entry["seed"] for entry in noted["processes"]] == [1, 2]
    half = root / "00004" / "vertex_0001_instance_0000.png.part"
    half.write_bytes(b"half an image")

    drawn, real = [], streams.render
    monkeypatch.setattr(
        streams, "render", lambda f, g: drawn.append(g.get("thread_num")) or real(f, g)
    )
    done = []
    dataset.export_official(plan(), root, progress=done.append)
    assert [number for number in drawn if number is not None] == [2]  # done processes are left
    assert sum(done) == 12
    half.unlink()
    assert content(root) == content(whole)


def test_a_lost_image_is_drawn_again(tmp_path):
    dataset.export_official(plan(), tmp_path)
    before = content(tmp_path)
    (tmp_path / sorted(before)[3]).unlink()
    dataset.export_official(plan(), tmp_path)
    assert content(tmp_path) == before


def test_verify_names_every_missing_or_changed_file(tmp_path):
    dataset.export_official(plan(), tmp_path)
    stored = dataset.Stored(tmp_path, workers=1)
    assert stored.total == 12
    done = []
    assert stored.verify(done.append) == ()
    assert sum(done) == 12
    names = sorted(expected())
    (tmp_path / names[2]).unlink()
    (tmp_path / names[7]).write_bytes((tmp_path / names[8]).read_bytes())
    assert stored.verify() == (f"missing {names[2]}", f"changed {names[7]}")
    manifest = tmp_path / "dataset.json"
    manifest.write_text(
        manifest.read_text().replace('"numof_instances": 2', '"numof_instances": 1')
    )
    assert "changed dataset.json" in stored.verify()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 2}, r"seeds \[1, 2, 3\], not \[2\]"),
        ({"line_num_max": 8}, "another dataset .arguments"),
    ],
)
def test_a_directory_with_another_dataset_is_left_as_it_is(tmp_path, change, said):
    dataset.export_official(plan(), tmp_path)
    before = content(tmp_path)
    with pytest.raises(InputError, match=said):
        dataset.export_official(plan(**change), tmp_path)
    assert content(tmp_path) == before


@pytest.mark.parametrize("name", ["00006/vertex_0001_instance_0000.png", "notes.txt"])
def test_a_directory_with_other_files_is_left_as_it_is(tmp_path, name):
    dataset.export_official(plan(), tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(InputError, match="holds other files"):
        dataset.export_official(plan(), tmp_path)


def test_a_directory_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="cannot be written: Not a directory"):
        dataset.export_official(plan(), tmp_path / "file" / "set")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thread_num": 1}, "thread_num: 1: is the seed less 1"),
        ({"seed": 0}, "seed: 0: must be at least 1"),
        ({"workers": 0}, "workers: 0: must be at least 1"),
        ({"numof_classes": 2}, "numof_classes: 2: leaves nothing to draw"),
        ({"numof_instances": 0}, "numof_instances: 0: leaves nothing to draw"),
        ({"vertex_num": 3}, "vertex_num: unknown argument"),
    ],
)
def test_what_cannot_be_drawn_is_refused_at_once(change, message):
    with pytest.raises(RangeError, match=message):
        plan(**change)


def test_rcdb_has_its_authors_folders(tmp_path):
    given = {"numof_classes": 4, "numof_instances": 2, "numof_thread": 2, "image_size": 32}
    rcdb = dataset.OfficialPlan("rcdb", given)
    dataset.export_official(rcdb, tmp_path)
    before = content(tmp_path)
    names = [f"image/{c:05d}/{c:05d}_{i:04d}.png" for c in range(4) for i in range(2)]
    assert sorted(before) == ["dataset.json", *names]
    assert dataset.Stored(tmp_path).verify() == ()
    (tmp_path / names[0]).unlink()
    dataset.export_official(rcdb, tmp_path)
    assert content(tmp_path) == before
    (tmp_path / "image" / "mine").write_text("mine")
    with pytest.raises(InputError, match=r"other files \(image/mine\)"):
        dataset.export_official(rcdb, tmp_path)


@pytest.mark.parametrize(("name", "share"), [("visualatom-1k", 50), ("visualatom-21k", 1050)])
def test_presets_are_the_authors_datasets(name, share):
    formula, given = dataset.PRESETS[name]
    preset = dataset.OfficialPlan(formula, given)
    assert preset.seeds == tuple(range(1, 21))
    assert preset.categories(1) == range(share)
    assert preset.categories(20) == range(19 * share, 20 * share)
    assert preset.total == share * 20 * 1000
    # The best practice of the paper, argument by argument.
    case = next(c for c in json.loads(GOLDEN.read_text()) if c["formula"] == formula)
    sizes = {"numof_classes": share * 20, "numof_instances": 1000, "numof_thread": 20}
    assert {**preset.arguments, "thread_num": 0} == {**case["arguments"], **sizes, "thread_num": 0}
