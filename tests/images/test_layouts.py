"""Tar shards and NumPy files: what they hold, how they go on, and how they are verified."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from explorer import images as dataset
from explorer.errors import InputError
from explorer.formulas import RangeError
from explorer.images import shards

RANGES = {"orbits": (1, 30), "quantization": (50, 100), "radius": (2, 10)}
SMALL = {"categories": 3, "instances": 4, "canvas": 48, "size": 20, "seed": 7}
LAYOUTS = ["webdataset", "npz"]
FILES = {
    "webdataset": ["shard-000000.tar", "shard-000001.tar", "shard-000002.tar"],
    "npz": ["images.npz"],
}


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(shards, "_IMAGES", 5)


def exported(layout, directory, ranges=RANGES, **changes):
    progress = changes.pop("progress", None)
    plan = dataset.Plan("visual_atom", ranges, **{**SMALL, **changes})
    return dataset.LAYOUTS[layout](plan, directory, progress=progress)


def rendered() -> dataset.ProxyDataset:
    return dataset.render_dataset("visual_atom", RANGES, **SMALL)


def content(root) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def members(path) -> list[tuple[str, bytes]]:
    with tarfile.open(path) as shard:
        return [(m.name, shard.extractfile(m).read()) for m in shard.getmembers()]


def test_shards_hold_images_and_labels_in_order(tmp_path):
    done = []
    exported("webdataset", tmp_path, progress=done.append)
    assert sum(done) == 12
    assert sorted(content(tmp_path)) == ["_info.json", "dataset.json", *FILES["webdataset"]]
    found = [members(tmp_path / name) for name in FILES["webdataset"]]
    assert [len(each) for each in found] == [10, 10, 4]
    data, names = rendered(), [f"{c:05d}_{i:05d}" for c in range(3) for i in range(4)]
    flat = [member for each in found for member in each]
    assert [name for name, _ in flat] == [f"{n}.{e}" for n in names for e in ("png", "cls")]
    for (_, png), image in zip(flat[::2], data.images, strict=True):
        with Image.open(io.BytesIO(png)) as file:
            assert file.mode == "L"
            assert np.array_equal(np.asarray(file), image)
    assert [int(label) for _, label in flat[1::2]] == data.labels.tolist()


def test_members_of_shards_have_neither_owner_nor_time(tmp_path):
    exported("webdataset", tmp_path)
    with tarfile.open(tmp_path / "shard-000001.tar") as shard:
        for member in shard.getmembers():
            assert (member.mtime, member.uid, member.gid, member.uname) == (0, 0, 0, "")


def test_the_webdataset_library_reads_the_shards(tmp_path):
    webdataset = pytest.importorskip("webdataset", reason="the webdataset library is not installed")
    exported("webdataset", tmp_path)
    urls = f"{tmp_path}/shard-{{000000..000002}}.tar"
    read = webdataset.WebDataset(urls, shardshuffle=False).decode("l8").to_tuple("png", "cls")
    data = rendered()
    for (image, label), wanted, number in zip(read, data.images, data.labels, strict=True):
        assert np.array_equal(image, wanted)
        assert label == number


def test_timm_reads_the_shards(tmp_path):
    pytest.importorskip("webdataset", reason="the webdataset library is not installed")
    timm_data = pytest.importorskip("timm.data")
    exported("webdataset", tmp_path)
    data = rendered()
    read = timm_data.create_dataset("wds/any", root=str(tmp_path), split="train", batch_size=1)
    assert len(read) == len(data.images)
    found = [(np.asarray(image.convert("L")), label) for image, label in read]
    assert all(np.array_equal(f[0], image) for f, image in zip(found, data.images, strict=True))
    assert [label for _, label in found] == data.labels.tolist()


def test_verify_checks_what_timm_is_told(tmp_path):
    exported("webdataset", tmp_path)
    info = tmp_path / "_info.json"
    info.write_text(info.read_text().replace("train", "test"))
    assert dataset.Stored(tmp_path).verify() == ("changed _info.json",)
    info.unlink()
    assert dataset.Stored(tmp_path).verify() == ("missing _info.json",)


def test_numpy_reads_the_arrays(tmp_path):
    done = []
    exported("npz", tmp_path, progress=done.append)
    assert sum(done) == 12
    data = rendered()
    with np.load(tmp_path / "images.npz") as held:
        assert set(held) == {"images", "labels"}
        assert held["images"].dtype == np.uint8
        assert held["labels"].dtype == np.int64
        assert np.array_equal(held["images"], data.images)
        assert np.array_equal(held["labels"], data.labels)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_manifest_says_what_they_are(tmp_path, layout):
    said = json.loads(exported(layout, tmp_path).read_text())
    assert said["layout"] == layout
    assert said["stream"] == "counter"
    assert said["digest"] == rendered().digest
    assert {key: said[key] for key in SMALL} == SMALL


@pytest.mark.parametrize("layout", LAYOUTS)
def test_neither_time_nor_workers_change_a_byte(tmp_path, layout, monkeypatch):
    exported(layout, tmp_path / "one", workers=1)
    monkeypatch.setattr("time.time", lambda: 2e9)
    exported(layout, tmp_path / "three", workers=3)
    assert content(tmp_path / "one") == content(tmp_path / "three")


class StopError(Exception):
    pass


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_interrupted_export_goes_on(tmp_path, layout):
    exported(layout, tmp_path / "whole")
    root, left = tmp_path / "set", [5]

    def stop(count):
        left[0] -= count
        if left[0] < 0:
            raise StopError

    with pytest.raises(StopError):
        exported(layout, root, workers=1, progress=stop)
    finished = ["shard-000000.tar"] if layout == "webdataset" else []
    assert sorted(content(root)) == ["dataset.json", *finished]
    assert json.loads((root / "dataset.json").read_text())["digest"] is None
    (root / f"{FILES[layout][-1]}.part").write_text("left by a process that was killed")
    kept = [(root / name).stat().st_mtime_ns for name in finished]
    exported(layout, root)
    assert content(root) == content(tmp_path / "whole")
    assert [(root / name).stat().st_mtime_ns for name in finished] == kept


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_whole_dataset_is_left_and_a_lost_file_comes_back(tmp_path, layout):
    exported(layout, tmp_path)
    before = content(tmp_path)
    times = [(tmp_path / name).stat().st_mtime_ns for name in FILES[layout]]
    done = []
    exported(layout, tmp_path, progress=done.append)
    assert sum(done) == 12
    assert [(tmp_path / name).stat().st_mtime_ns for name in FILES[layout]] == times
    (tmp_path / FILES[layout][-1]).unlink()
    exported(layout, tmp_path)
    assert content(tmp_path) == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_another_dataset_and_other_files_are_left_as_they_are(tmp_path, layout):
    exported(layout, tmp_path)
    before = content(tmp_path)
    with pytest.raises(InputError, match=r"holds another dataset \(seed 7, not 8\)"):
        exported(layout, tmp_path, seed=8)
    with pytest.raises(InputError, match=r"holds another dataset \(layout"):
        exported("imagefolder", tmp_path)
    assert content(tmp_path) == before
    (tmp_path / "shard-000003.tar").write_text("mine")
    with pytest.raises(InputError, match=r"holds other files \(shard-000003.tar\)"):
        exported(layout, tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_cannot_be_drawn_or_written_is_refused(tmp_path, layout):
    with pytest.raises(RangeError, match="size: 49"):
        exported(layout, tmp_path / "new", size=49)
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="cannot be written: Not a directory"):
        exported(layout, tmp_path / "file" / "set")


def changed(path, old: bytes, new: bytes) -> None:
    held = path.read_bytes()
    assert old in held
    path.write_bytes(held.replace(old, new, 1))


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no archive"),
        lambda path: path.write_bytes(path.read_bytes()[:9_000]),
        lambda path: path.write_bytes(path.read_bytes()[:700]),
        lambda path: path.write_bytes(path.with_name("shard-000000.tar").read_bytes()),
        lambda path: changed(path, b"00001_00002.png", b"00001_00009.png"),
        lambda path: changed(path, b"1" + bytes(511), b"2" + bytes(511)),
        lambda path: changed(path, b"IDAT", b"IDAU"),
    ],
)
def test_verify_names_a_changed_shard(tmp_path, harm):
    exported("webdataset", tmp_path)
    done = []
    assert dataset.Stored(tmp_path).verify(done.append) == ()
    assert sum(done) == 12
    harm(tmp_path / "shard-000001.tar")
    assert dataset.Stored(tmp_path).verify() == ("changed shard-000001.tar",)
    (tmp_path / "shard-000002.tar").unlink()
    assert dataset.Stored(tmp_path).verify() == (
        "changed shard-000001.tar",
        "missing shard-000002.tar",
    )


def test_verify_names_a_shard_with_more_in_it(tmp_path):
    exported("webdataset", tmp_path)
    with tarfile.open(tmp_path / "shard-000002.tar", "a") as shard:
        shard.addfile(tarfile.TarInfo("more"))
    assert dataset.Stored(tmp_path).verify() == ("changed shard-000002.tar",)


def other(path, **arrays) -> None:
    with np.load(path) as held:
        arrays = {**held, **arrays}
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: changed(path, bytes(40), b"1" * 40),
        lambda path: other(path, labels=np.arange(12)),
        lambda path: other(path, images=np.zeros((12, 20, 20), np.uint8)),
        lambda path: other(path, images=np.zeros((12, 400), np.uint8)),
        lambda path: np.savez(path, labels=rendered().labels),
    ],
)
def test_verify_names_a_changed_npz(tmp_path, harm):
    exported("npz", tmp_path)
    done = []
    assert dataset.Stored(tmp_path).verify(done.append) == ()
    assert sum(done) == 12
    harm(tmp_path / "images.npz")
    assert dataset.Stored(tmp_path).verify() == ("changed images.npz",)
    (tmp_path / "images.npz").unlink()
    assert dataset.Stored(tmp_path).verify() == ("missing images.npz",)


def test_verify_accepts_the_same_arrays_however_they_were_saved(tmp_path):
    exported("npz", tmp_path)
    other(tmp_path / "images.npz")
    assert dataset.Stored(tmp_path).verify() == ()


def test_verify_refuses_a_layout_that_is_none(tmp_path):
    manifest = exported("npz", tmp_path)
    manifest.write_text(manifest.read_text().replace('"npz"', '"zip"'))
    with pytest.raises(InputError, match="describes no dataset: 'zip'"):
        dataset.Stored(tmp_path)
