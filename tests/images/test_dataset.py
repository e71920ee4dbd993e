"""Proxy datasets in memory, as folders, and on a sheet."""

import hashlib
import json
import os

import numpy as np
import pytest
from PIL import Image

from explorer import formulas
from explorer import images as dataset
from explorer.errors import InputError

RANGES = {"orbits": (1, 30), "quantization": (50, 100), "radius": (2, 10)}
SMALL = {"categories": 3, "instances": 4, "canvas": 48, "size": 20, "seed": 7}
ALL = [f"{c:05d}/{i:05d}.png" for c in range(3) for i in range(4)]


def rendered(**changes) -> dataset.ProxyDataset:
    return dataset.render_dataset("visual_atom", RANGES, **{**SMALL, **changes})


def exported(directory, ranges=RANGES, **changes):
    progress = changes.pop("progress", None)
    plan = dataset.Plan("visual_atom", ranges, **{**SMALL, **changes})
    return dataset.export_imagefolder(plan, directory, progress=progress)


def files(directory) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


# --- in memory ------------------------------------------------------------------------------------


def test_images_labels_and_digest():
    data = rendered()
    assert data.images.shape == (12, 20, 20)
    assert data.images.dtype == np.uint8
    assert data.labels.dtype == np.int64
    assert data.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    each = b"".join(hashlib.sha256(image.tobytes()).digest() for image in data.images)
    assert data.digest == hashlib.sha256(b"(12, 20, 20)" + each).hexdigest()


def test_golden_digest():
    assert rendered().digest == "db2ef6880f010f97813a9d198d41d0d107aa9541bec369433ead5a74791855c4"


def test_images_are_the_formula_s_area_averages():
    data = rendered(canvas=40)
    drawn = formulas.get("visual_atom").render(
        RANGES, seed=7, category=1, instances=range(2, 3), canvas=40
    )
    blocks = drawn.reshape(20, 2, 20, 2).sum(axis=(1, 3), dtype=np.int64)
    assert np.array_equal(data.images[4 + 2], (blocks + 2) // 4)


def test_the_canvas_itself_where_it_has_the_size():
    data = rendered(size=48)
    drawn = formulas.get("visual_atom").render(
        RANGES, seed=7, category=2, instances=range(4), canvas=48
    )
    assert np.array_equal(data.images[8:], drawn)


def test_any_number_of_workers_and_any_chunk_gives_the_same_bytes(monkeypatch):
    expected = rendered(instances=20)
    for workers in (2, 3, 16):
        assert rendered(instances=20, workers=workers).digest == expected.digest
    monkeypatch.setattr("explorer.images.plan._JOB_INSTANCES", 3)
    again = rendered(instances=20, workers=2)
    assert again.digest == expected.digest
    assert np.array_equal(again.images, expected.images)


def test_a_larger_dataset_begins_with_the_smaller_one():
    small, large = rendered(), rendered(categories=5, instances=6)
    large = large.images.reshape(5, 6, 20, 20)[:3, :4]
    assert np.array_equal(large.reshape(12, 20, 20), small.images)


def test_progress_counts_every_image():
    done = []
    rendered(instances=40, workers=2, progress=done.append)
    assert sum(done) == 120
    assert min(done) > 0


@pytest.mark.parametrize("change", [{"seed": 8}, {"canvas": 47}, {"size": 19}])
def test_the_digest_tells_datasets_apart(change):
    assert rendered(**change).digest != rendered().digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"categories": 0}, r"categories: 0: must be in 1\.\."),
        ({"instances": 0}, r"instances: 0: must be in 1\.\."),
        ({"canvas": 5000}, r"canvas: 5000: must be in 1\.\.4096"),
        ({"size": 0}, r"size: 0: must be in 1\.\.48"),
        ({"size": 49}, r"size: 49: must be in 1\.\.48"),
        ({"seed": -1}, r"seed: -1: must be in 0\.\."),
        ({"workers": 0}, "workers: 0: must be at least 1"),
    ],
)
def test_numbers_out_of_bounds_are_refused(change, message, tmp_path):
    with pytest.raises(formulas.RangeError, match=message):
        rendered(**change)
    with pytest.raises(formulas.RangeError, match=message):
        exported(tmp_path / "new", **change)
    assert not (tmp_path / "new").exists()


def test_an_unknown_formula_and_an_illegal_range_are_refused(tmp_path):
    with pytest.raises(formulas.UnknownFormula, match="did you mean 'visual_atom'"):
        dataset.render_dataset("visual_atm", None, **SMALL)
    with pytest.raises(formulas.RangeError, match=r"noise: 9\.0\.\.1\.0: low is above high"):
        exported(tmp_path / "new", {"noise": (9, 1)})
    assert not (tmp_path / "new").exists()


# --- as a folder ----------------------------------------------------------------------------------


def test_an_export_holds_the_images_and_says_what_they_are(tmp_path):
    manifest = exported(tmp_path / "new" / "set")
    root = manifest.parent
    assert sorted(files(root)) == sorted([*ALL, "dataset.json"])
    data = rendered()
    for name, image in zip(ALL, data.images, strict=True):
        with Image.open(root / name) as file:
            assert file.mode == "L"
            assert np.array_equal(np.asarray(file), image)
    said = json.loads(manifest.read_text())
    assert said["digest"] == data.digest
    assert said["formula"] == "visual_atom"
    assert said["stream"] == "counter"
    assert said["layout"] == "imagefolder"
    assert said["ranges"]["orbits"] == [1, 30]
    assert said["ranges"]["noise"] == [0.0, 4.0]
    assert {key: said[key] for key in SMALL} == SMALL
    assert set(said["versions"]) == {"python", "numpy", "zlib"}


def test_workers_do_not_change_an_export(tmp_path):
    exported(tmp_path / "one", workers=1)
    exported(tmp_path / "three", workers=3)
    assert files(tmp_path / "one") == files(tmp_path / "three")


class StopError(Exception):
    pass


def test_an_interrupted_export_goes_on(tmp_path):
    whole = exported(tmp_path / "whole").parent

    def stop(_):
        raise StopError

    root = tmp_path / "set"
    with pytest.raises(StopError):
        exported(root, workers=1, progress=stop)
    assert json.loads((root / "dataset.json").read_text())["digest"] is None
    (root / ALL[0]).unlink()
    (root / f"{ALL[0]}.part").write_bytes(b"half an image")
    kept = root / ALL[1]
    os.utime(kept, (1, 1))
    exported(root)
    assert files(root) == files(whole)
    assert kept.stat().st_mtime == 1


def test_an_export_killed_before_its_first_image_goes_on(tmp_path):
    (tmp_path / "dataset.json.part").write_text("{")
    exported(tmp_path)
    assert sorted(files(tmp_path)) == sorted([*ALL, "dataset.json"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 8}, "seed 7, not 8"),
        ({"categories": 2}, "categories 3, not 2"),
        ({"size": 24}, "size 20, not 24"),
    ],
)
def test_a_directory_with_another_dataset_is_left_as_it_is(tmp_path, change, said):
    exported(tmp_path)
    before = files(tmp_path)
    with pytest.raises(InputError, match=rf"holds another dataset \({said}\)") as error:
        exported(tmp_path, **change)
    assert str(tmp_path) in str(error.value)
    assert files(tmp_path) == before


def test_a_dataset_of_other_ranges_is_another_dataset(tmp_path):
    exported(tmp_path)
    with pytest.raises(InputError, match=r"holds another dataset \(ranges"):
        exported(tmp_path, {**RANGES, "noise": (0, 1)})


@pytest.mark.parametrize("name", ["notes.txt", "00000/00099.png", "00007/00000.png", "00001"])
@pytest.mark.parametrize("after_an_export", [False, True])
def test_a_directory_with_other_files_is_left_as_it_is(tmp_path, name, after_an_export):
    if after_an_export:
        exported(tmp_path)
        if name == "00001":
            for path in (tmp_path / name).iterdir():
                path.unlink()
            (tmp_path / name).rmdir()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = files(tmp_path)
    with pytest.raises(InputError, match=r"holds other files \(0?.*\); name an empty or a new"):
        exported(tmp_path)
    assert files(tmp_path) == before


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "set").write_text("mine")
    with pytest.raises(InputError, match="is a file; name a directory"):
        exported(tmp_path / "set")


def test_a_directory_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="cannot be written: Not a directory"):
        exported(tmp_path / "file" / "set")


# --- comparing a folder with its manifest ---------------------------------------------------------


def test_verify_names_every_missing_or_changed_file(tmp_path):
    exported(tmp_path)
    assert dataset.Stored(tmp_path).verify() == ()
    (tmp_path / ALL[2]).unlink()
    (tmp_path / ALL[5]).write_bytes((tmp_path / ALL[6]).read_bytes())
    (tmp_path / ALL[7]).write_bytes(b"no image")
    (tmp_path / ALL[8]).write_bytes((tmp_path / ALL[8]).read_bytes()[:40])
    with Image.open(tmp_path / ALL[11]) as file:
        colour = file.convert("RGB")
    colour.save(tmp_path / ALL[11])
    assert dataset.Stored(tmp_path, workers=1).verify() == (
        f"missing {ALL[2]}",
        f"changed {ALL[5]}",
        f"changed {ALL[7]}",
        f"changed {ALL[8]}",
        f"changed {ALL[11]}",
    )


def test_verify_notices_a_digest_that_does_not_fit(tmp_path):
    manifest = exported(tmp_path)
    manifest.write_text(manifest.read_text().replace('"digest": "', '"digest": "0'))
    assert dataset.Stored(tmp_path).verify() == ("changed dataset.json",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist; name an exported dataset"),
        ("{", "cannot be read"),
        ("[1]", "describes no dataset"),
        ("{}", "describes no dataset"),
        ('{"formula": "visual_atom", "ranges": 3}', "describes no dataset"),
    ],
)
def test_verify_refuses_what_is_no_manifest(tmp_path, content, message):
    if content is not None:
        (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(InputError, match=message):
        dataset.Stored(tmp_path)


# --- on a sheet -----------------------------------------------------------------------------------


def sheet(*formulas, ranges=RANGES, **changes):
    plans = [dataset.Plan(name, ranges, **{**SMALL, **changes}) for name in formulas]
    return dataset.contact_sheet(plans)


def places(sheet, images):
    """Return where every image is found on a sheet, once each: ``[categories, instances, 2]``."""
    windows = np.lib.stride_tricks.sliding_window_view(sheet, images.shape[2:])
    found = np.empty((*images.shape[:2], 2), int)
    for address in np.ndindex(images.shape[:2]):
        (found[address],) = np.argwhere((windows == images[address]).all(axis=(2, 3)))
    return found


def test_a_sheet_has_categories_as_rows_and_instances_as_columns():
    drawn = sheet("visual_atom")
    found = places(drawn, rendered().images.reshape(3, 4, 20, 20))
    assert drawn.dtype == np.uint8
    assert (np.ptp(found[:, :, 0], axis=1) == 0).all()
    assert (np.ptp(found[:, :, 1], axis=0) == 0).all()
    assert (np.diff(found[:, 0, 0]) > 20).all()
    assert (np.diff(found[0, :, 1]) > 20).all()


def test_a_sheet_is_labelled_outside_its_images():
    some, blank = sheet("visual_atom"), sheet("visual_atom", ranges={"orbits": (0, 0)})
    other = sheet("visual_atom", ranges={"orbits": (0, 0)}, seed=8)
    found = places(some, rendered().images.reshape(3, 4, 20, 20))
    top, left = found[0, 0]
    title, below = slice(0, top - 40), slice(top - 40, top - 1)
    assert (some[title] < 128).any()
    assert not np.array_equal(some[title], blank[title])  # it names the ranges that are set
    assert not np.array_equal(blank[title], other[title])  # and the seed
    for row in range(3):  # a number beside every row and above every column
        y = found[row, 0, 0]
        assert (some[y : y + 20, left - 20 : left - 1] < 128).any()
    for column in range(4):
        x = found[0, column, 1]
        assert (some[below, x : x + 20] < 128).any()


def test_several_formulas_have_a_panel_each_at_most_three_abreast():
    names = ("visual_atom", "perlin", "fractal", "visual_atom", "visual_atom")
    drawn = sheet(*names, ranges=None)
    (height, width), alone = drawn.shape, sheet("perlin", ranges=None)
    assert width < 3.5 * alone.shape[1]
    corners = []
    for name in names[1:3]:
        images = dataset.render_dataset(name, None, **SMALL).images.reshape(3, 4, 20, 20)
        corners.append(places(drawn, images)[0, 0])
    (second_y, second_x), (third_y, third_x) = corners
    assert second_y == third_y < height / 2
    assert width / 4 < second_x < width / 2 < third_x


@pytest.mark.parametrize("changes", [{"size": 16}, {"categories": 1, "instances": 1, "size": 16}])
def test_the_smallest_sheet_has_room_for_its_labels(changes):
    small = sheet("visual_atom", "fractal_contractive", ranges=None, **changes)
    for edge in (small[0], small[-1], small[:, 0], small[:, -1]):
        assert (edge == 255).all()


def test_a_png_is_written_whole_and_replaces_the_old_one(tmp_path):
    path = tmp_path / "new" / "sheet.png"
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    dataset.write_png(np.zeros((5, 5), np.uint8), path)
    assert dataset.write_png(image, path) == path
    with Image.open(path) as file:
        assert np.array_equal(np.asarray(file), image)
    assert [entry.name for entry in path.parent.iterdir()] == ["sheet.png"]


def test_a_png_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="file: is a file; name a directory"):
        dataset.write_png(np.zeros((2, 2), np.uint8), tmp_path / "file" / "sheet.png")
