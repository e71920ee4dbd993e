"""Datasets in files: what they hold, how they go on, and how they are verified."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer import authors, formulas, images
from explorer.errors import InputError
from explorer.images import layouts

RANGES = {"orbits": (1, 30), "quantization": (50, 100), "radius": (2, 10)}
SMALL = {"categories": 3, "instances": 4, "canvas": 48, "size": 20, "seed": 7}
THEIRS = {
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
KINDS = [*images.LAYOUTS, "official"]
every = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(layouts, "SHARD", 5)


def plan(kind: str, seed=None, workers=None, **changes):
    if kind == "official":
        return images.OfficialPlan("visual_atom", {**THEIRS, **changes}, seed, workers)
    sizes = {**SMALL, **changes} | ({} if seed is None else {"seed": seed})
    return images.Plan("visual_atom", sizes.pop("ranges", RANGES), workers=workers, **sizes)


def exported(kind: str, root: Path, *, progress=None, **changes) -> Path:
    export = {**images.LAYOUTS, "official": images.export_official}[kind]
    return export(plan(kind, **changes), root, progress=progress)


def expected(kind: str) -> dict[str, np.ndarray]:
    """Return the images of a kind by the names that their files or members have."""
    if kind == "official":
        return {
            name: image
            for number in range(3)
            for name, image in authors.render("visual_atom", {**THEIRS, "thread_num": number})
        }
    between = "_" if kind == "webdataset" else "/"
    names = [f"{c:05d}{between}{i:05d}.png" for c in range(3) for i in range(4)]
    return dict(zip(names, images.render("visual_atom", RANGES, **SMALL), strict=True))


def held(kind: str, root: Path) -> dict[str, np.ndarray]:
    """Read the images of a dataset by their names."""
    if kind == "npz":
        with np.load(root / "images.npz") as arrays:
            assert arrays["labels"].dtype == np.int64
            assert arrays["labels"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
            return dict(zip(expected(kind), arrays["images"], strict=True))
    if kind == "webdataset":
        members = []
        for path in sorted(root.glob("*.tar")):
            with tarfile.open(path) as shard:
                members += [(m.name, shard.extractfile(m).read()) for m in shard.getmembers()]
                for m in shard.getmembers():
                    assert (m.mtime, m.uid, m.gid, m.uname) == (0, 0, 0, "")
        assert [int(label) for _, label in members[1::2]] == [0] * 4 + [1] * 4 + [2] * 4
        files = {name: io.BytesIO(content) for name, content in members[::2]}
    else:
        files = {path.relative_to(root).as_posix(): path for path in root.rglob("*.png")}
    opened = {name: Image.open(file) for name, file in files.items()}
    assert {image.mode for image in opened.values()} == {"L"}
    return {name: np.asarray(image) for name, image in opened.items()}


def same(found: dict, wanted: dict) -> bool:
    return found.keys() == wanted.keys() and all(
        np.array_equal(found[name], wanted[name]) for name in wanted
    )


def content(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@every
def test_an_export_holds_the_images_and_says_what_they_are(tmp_path, kind):
    done: list[int] = []
    manifest = exported(kind, tmp_path / "new" / "set", progress=done.append)
    assert sum(done) == plan(kind).total == 12
    assert same(held(kind, manifest.parent), expected(kind))
    entries = json.loads(manifest.read_text())
    assert entries["formula"] == "visual_atom"
    if kind == "official":
        assert entries["seeds"] == [1, 2, 3]
        assert entries["arguments"] == plan(kind).arguments
    else:
        assert {key: entries[key] for key in SMALL} == SMALL
        assert (entries["stream"], entries["layout"]) == ("counter", kind)
        assert entries["ranges"]["noise"] == [0.0, 4.0]
        each = (hashlib.sha256(image).digest() for image in expected(kind).values())
        digest = hashlib.sha256(b"(12, 20, 20)" + b"".join(each)).hexdigest()
        assert entries["digest"] == digest
        assert digest == "db2ef6880f010f97813a9d198d41d0d107aa9541bec369433ead5a74791855c4"


class StopError(Exception):
    pass


@every
def test_an_interrupted_export_goes_on(tmp_path, kind):
    exported(kind, tmp_path / "whole", workers=3)
    root, left = tmp_path / "set", [5]

    def stop(count):
        left[0] -= count
        if left[0] < 0:
            raise StopError

    with pytest.raises(StopError):
        exported(kind, root, workers=1, progress=stop)
    assert json.loads((root / "dataset.json").read_text())["digest"] is None
    finished = [path for path in root.rglob("*") if path.is_file() and path.name != "dataset.json"]
    assert kind == "npz" or finished
    for path in finished:
        os.utime(path, (1, 1))
    part = max(
        content(tmp_path / "whole"), key=lambda name: name.endswith((".png", ".tar", ".npz"))
    )
    (root / f"{part}.part").write_bytes(b"left by a process that was killed")
    exported(kind, root)
    (root / f"{part}.part").unlink(missing_ok=True)
    assert content(root) == content(tmp_path / "whole")
    assert all(path.stat().st_mtime == 1 for path in finished if path.name != "_info.json")


@every
def test_a_whole_dataset_is_left_and_a_lost_file_comes_back(tmp_path, kind):
    exported(kind, tmp_path)
    before = content(tmp_path)
    lost = tmp_path / max(set(before) - {"dataset.json", "_info.json"})
    lost.unlink()
    exported(kind, tmp_path)
    assert content(tmp_path) == before
    os.utime(lost, (1, 1))
    exported(kind, tmp_path)
    assert lost.stat().st_mtime == 1


@every
def test_another_dataset_and_other_files_are_left_as_they_are(tmp_path, kind):
    exported(kind, tmp_path)
    before = content(tmp_path)
    with pytest.raises(InputError, match=r"holds another dataset \(seeds? .*7?.*, not "):
        exported(kind, tmp_path, seed=2)
    other = {"line_num_max": 8} if kind == "official" else {"ranges": {**RANGES, "noise": (0, 1)}}
    with pytest.raises(InputError, match=r"holds another dataset \((arguments|ranges) "):
        exported(kind, tmp_path, **other)
    with pytest.raises(InputError, match=r"holds another dataset \((layout|stream)"):
        exported("npz" if kind == "imagefolder" else "imagefolder", tmp_path)
    assert content(tmp_path) == before
    for name in ("notes.txt", "00006/mine.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
        with pytest.raises(InputError, match="holds other files"):
            exported(kind, tmp_path)
        (tmp_path / name).unlink()
    (tmp_path / "dataset.json").unlink()
    with pytest.raises(InputError, match=r"holds other files \(.*\); name an empty or a new"):
        exported(kind, tmp_path)


@every
def test_what_cannot_be_drawn_or_written_is_refused(tmp_path, kind):
    wrong = {"image_size": 5000} if kind == "official" else {"size": 49}
    with pytest.raises(formulas.RangeError, match="size: "):
        exported(kind, tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="cannot be written: Not a directory"):
        exported(kind, tmp_path / "file" / "set")
    with pytest.raises(InputError, match="is a file; name a directory"):
        exported(kind, tmp_path / "file")


# --- comparing with what the manifest describes ---------------------------------------------------


def changed(path: Path, old: bytes, new: bytes) -> None:
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new, 1))


def other(path: Path, **arrays) -> None:
    with np.load(path) as known:
        np.savez(path, **{**known, **arrays})


SECOND = "shard-000001.tar"
HARM = {
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "its last 20 bytes cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "no such file": lambda path: path.write_bytes(b"no archive, no image"),
}
PNG = "00001/00002.png"
FIRST = {
    "imagefolder": PNG,
    "webdataset": SECOND,
    "npz": "images.npz",
    "official": min(name for name in expected("official") if name.startswith("00002")),
}


def more(path: Path) -> None:
    with tarfile.open(path, "a") as shard:
        shard.addfile(tarfile.TarInfo("more"))


def coloured(path: Path) -> None:
    with Image.open(path) as image:
        image.convert("RGB").save(path)


def another(name: str):
    return lambda path: path.write_bytes(path.with_name(name).read_bytes())


CASES = [
    *((kind, name, harm) for kind, name in FIRST.items() for harm in HARM.values()),
    ("imagefolder", PNG, another("00003.png")),
    ("imagefolder", PNG, coloured),
    ("webdataset", SECOND, another("shard-000000.tar")),
    ("webdataset", SECOND, lambda path: changed(path, b"00001_00002.png", b"00001_00009.png")),
    ("webdataset", SECOND, lambda path: changed(path, b"1" + bytes(511), b"2" + bytes(511))),
    ("webdataset", SECOND, lambda path: changed(path, b"IDAT", b"IDAU")),
    ("webdataset", "shard-000002.tar", more),
    ("webdataset", "_info.json", lambda path: changed(path, b"train", b"test")),
    ("npz", "images.npz", lambda path: changed(path, bytes(40), b"1" * 40)),
    ("npz", "images.npz", lambda path: other(path, labels=np.arange(12))),
    ("npz", "images.npz", lambda path: other(path, images=np.zeros((12, 20, 20), np.uint8))),
    ("npz", "images.npz", lambda path: other(path, images=np.zeros((12, 400), np.uint8))),
]


@pytest.mark.parametrize(("kind", "name", "harm"), CASES)
def test_verify_names_what_is_changed_and_what_is_missing(tmp_path, kind, name, harm):
    exported(kind, tmp_path)
    done: list[int] = []
    assert images.Stored(tmp_path).verify(done.append) == ()
    assert sum(done) == 12
    path = tmp_path / name
    harm(path)
    assert images.Stored(tmp_path, workers=1).verify() == (f"changed {name}",)
    path.unlink()
    assert images.Stored(tmp_path).verify() == (f"missing {name}",)


@every
def test_verify_notices_a_digest_that_does_not_fit(tmp_path, kind):
    manifest = exported(kind, tmp_path)
    digest = json.loads(manifest.read_text())["digest"]
    manifest.write_text(manifest.read_text().replace(digest, "0" * 64))
    assert images.Stored(tmp_path).verify() == ("changed dataset.json",)


def test_verify_accepts_the_same_arrays_however_they_were_saved(tmp_path):
    exported("npz", tmp_path)
    other(tmp_path / "images.npz")
    assert images.Stored(tmp_path).verify() == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not exist; name an exported dataset"),
        ("{", "cannot be read"),
        ("[1]", "describes no dataset"),
        ("{}", "describes no dataset"),
        ('{"stream": "counter", "formula": "visual_atom", "ranges": 3}', "describes no dataset"),
    ],
)
def test_verify_refuses_what_is_no_manifest(tmp_path, text, message):
    if text is not None:
        (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(InputError, match=message):
        images.Stored(tmp_path)


# --- others read them -----------------------------------------------------------------------------


def test_the_webdataset_library_and_timm_read_the_shards(tmp_path):
    webdataset = pytest.importorskip("webdataset", reason="the webdataset library is not installed")
    timm_data = pytest.importorskip("timm.data")
    exported("webdataset", tmp_path)
    urls = f"{tmp_path}/shard-{{000000..000002}}.tar"
    read = webdataset.WebDataset(urls, shardshuffle=False).decode("l8").to_tuple("png", "cls")
    theirs = timm_data.create_dataset("wds/any", root=str(tmp_path), split="train", batch_size=1)
    assert len(theirs) == 12
    wanted = list(expected("webdataset").values())
    for number, ((image, label), (again, target)) in enumerate(zip(read, theirs, strict=True)):
        assert np.array_equal(image, wanted[number])
        assert np.array_equal(np.asarray(again.convert("L")), wanted[number])
        assert label == target == number // 4


# --- the authors' datasets ------------------------------------------------------------------------


def test_a_seed_draws_its_process_only(tmp_path):
    exported("official", tmp_path, seed=2)
    wanted = {
        name: image for name, image in expected("official").items() if name[:5] in "00002 00003"
    }
    assert same(held("official", tmp_path), wanted)
    assert images.Stored(tmp_path).verify() == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"workers": 0}, "workers: 0: must be at least 1"),
        ({"numof_classes": 2}, "numof_classes: 2: leaves nothing to draw"),
        ({"numof_instances": 0}, "numof_instances: 0: leaves nothing to draw"),
    ],
)
def test_an_authors_dataset_that_cannot_be_drawn_is_refused_at_once(change, message):
    with pytest.raises(formulas.RangeError, match=message):
        plan("official", **change)


def test_rcdb_has_its_authors_folders(tmp_path):
    given = {"numof_classes": 4, "numof_instances": 2, "numof_thread": 2, "image_size": 32}
    rcdb = images.OfficialPlan("rcdb", given)
    images.export_official(rcdb, tmp_path)
    names = [f"image/{c:05d}/{c:05d}_{i:04d}.png" for c in range(4) for i in range(2)]
    assert sorted(content(tmp_path)) == ["dataset.json", *names]
    assert images.Stored(tmp_path).verify() == ()
    (tmp_path / "image" / "mine").write_text("mine")
    with pytest.raises(InputError, match=r"other files \(image/mine\)"):
        images.export_official(rcdb, tmp_path)


@pytest.mark.parametrize(("name", "share"), [("visualatom-1k", 50), ("visualatom-21k", 1050)])
def test_presets_are_the_authors_datasets(name, share):
    formula, given = images.PRESETS[name]
    preset = images.OfficialPlan(formula, given)
    assert preset.seeds == tuple(range(1, 21))
    assert preset.categories(20) == range(19 * share, 20 * share)
    assert preset.total == share * 20 * 1000
    case = next(c for c in json.loads(GOLDEN.read_text()) if c["formula"] == formula)
    sizes = {"numof_classes": share * 20, "numof_instances": 1000, "numof_thread": 20}
    assert {**preset.arguments, "thread_num": 0} == {**case["arguments"], **sizes, "thread_num": 0}
