"""Datasets in files: what they hold, how they go on, and how they are verified."""

import csv
import hashlib
import io
import json
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
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


def exported(kind: str, root: Path, *, progress=None, part=None, **changes) -> Path:
    export = {**images.LAYOUTS, "official": images.export_official}[kind]
    more = {"part": part} if part else {}
    return export(plan(kind, **changes), root, progress=progress, **more)


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
        assert [name[:5] for name, _ in members[::2]] == [
            f"{int(label):05d}" for _, label in members[1::2]
        ]
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
    root = manifest.parent
    assert same(held(kind, root), expected(kind))
    entries = json.loads(manifest.read_text())
    assert entries["formula"] == "visual_atom"
    if kind == "official":
        assert entries["seeds"] == [1, 2, 3]
        assert entries["arguments"] == plan(kind).arguments
    else:
        assert {key: entries[key] for key in SMALL} == SMALL
        assert (entries["stream"], entries["layout"]) == ("counter", kind)
        assert entries["ranges"]["noise"] == [0.0, 4.0]
    assert (root / "checksums.txt").read_text().splitlines() == [
        f"{hashlib.sha256(held).hexdigest()}  {name}"
        for name, held in sorted(content(root).items())
        if name != "checksums.txt"
    ]


def test_a_table_has_what_every_category_drew(tmp_path):
    def table(root):
        with (root / "categories.csv").open() as file:
            return list(csv.DictReader(file))

    exported("imagefolder", tmp_path / "a")
    rows = formulas.get("visual_atom").categories(RANGES, seed=7, categories=range(3))
    assert [{**row, "category": None} for row in table(tmp_path / "a")] == [
        {"category": None, **{name: str(row[name]) for name in rows.dtype.names}} for row in rows
    ]
    images.export(images.Plan("fractal", None, 2, 1, 64, 64, 0), tmp_path / "b")
    first, second = table(tmp_path / "b")
    assert (first["category"], second["category"]) == ("0", "1")
    system = formulas.get("fractal").categories(None, seed=0, categories=[1])[0]["system"]
    assert float(second["system_0_5"]) == system[0, 5] != 0
    exported("official", tmp_path / "c")
    theirs = table(tmp_path / "c")
    assert [int(row["category"]) for row in theirs] == list(range(6))
    vertices = {name[:5]: int(name[13:17]) for name in expected("official")}
    assert [int(row["Vertex"]) for row in theirs] == [vertices[c] for c in sorted(vertices)]


def test_shards_are_shuffled_for_whoever_reads_them_in_their_order(monkeypatch):
    monkeypatch.setattr(layouts, "SHARD", 500)
    flat = images.Plan("perlin", {"octaves": (1, 1)}, 100, 20, 16, 16, 3)
    layouts_ = [layouts.LAYOUTS["webdataset"](flat) for _ in range(2)]
    assert np.array_equal(layouts_[0].order, layouts_[1].order)
    labels = layouts_[0].order // 20
    assert sorted(layouts_[0].order) == list(range(2000))
    # A batch of 256 draws some 93 of 100 categories; a shard has all of them.
    assert min(len(set(labels[i : i + 256])) for i in range(0, 1744, 64)) > 85
    assert {len(set(labels[i : i + 500])) for i in range(0, 2000, 500)} == {100}


@pytest.mark.parametrize("kind", ["imagefolder", "webdataset"])
def test_parts_make_the_whole(tmp_path, kind):
    exported(kind, tmp_path / "whole")
    with ThreadPoolExecutor(3) as pool:
        parts = [(number, 3) for number in (1, 2, 3)]
        list(pool.map(lambda part: exported(kind, tmp_path / "set", part=part), parts))
    whole, divided = content(tmp_path / "whole"), content(tmp_path / "set")
    sums = [divided.pop(f"checksums-{number}-of-3.txt") for number in (1, 2, 3)]
    assert set(b"".join(sums).splitlines()) == set(whole.pop("checksums.txt").splitlines())
    assert divided == whole
    assert images.verify(tmp_path / "set") == ()
    for part in ((0, 1), (4, 3), (1, 13)):
        with pytest.raises(formulas.RangeError, match=r"part: .*: must be 1/N to N/N, N at most "):
            exported(kind, tmp_path / "new", part=part)


class StopError(Exception):
    pass


@every
def test_an_interrupted_export_goes_on(tmp_path, kind, monkeypatch):
    exported(kind, tmp_path / "whole", workers=3)
    root, left = tmp_path / "set", [5]

    def stop(count):
        left[0] -= count
        if left[0] < 0:
            raise StopError

    monkeypatch.setattr(images.Plan, "_step", 1)
    with pytest.raises(StopError):
        exported(kind, root, workers=1, progress=stop)
    assert images.verify(root) == ("unfinished dataset.json",)
    finished = set(held(kind, root)) if kind != "npz" else set()
    assert kind == "npz" or finished
    with (root / "checksums.txt").open("a") as file:
        file.write("cut off")
    part = max(content(tmp_path / "whole"), key=lambda name: name.endswith((".tar", ".npz")))
    for left_behind in (f"{part}.part", ".0123456789abcdef"):
        (root / left_behind).write_bytes(b"left by a process that was killed")
    drawn: list[int] = []
    draw = images.Plan.draw
    monkeypatch.setattr(
        images.Plan, "draw", lambda plan, some: (drawn.extend(some), draw(plan, some))[1]
    )
    exported(kind, root)
    assert kind == "official" or len(drawn) == 12 - len(finished)
    for left_behind in (f"{part}.part", ".0123456789abcdef"):
        (root / left_behind).unlink(missing_ok=True)
    assert content(root) == content(tmp_path / "whole")


@every
def test_a_whole_dataset_is_left_and_a_lost_file_comes_back(tmp_path, kind):
    exported(kind, tmp_path)
    before = content(tmp_path)
    lost = tmp_path / max(name for name in before if name.endswith((".png", ".tar", ".npz")))
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


# --- comparing with what was written --------------------------------------------------------------

HARM = {
    "cut in half": lambda held: held[: len(held) // 2],
    "its last 20 bytes cut": lambda held: held[:-20],
    "a byte more": lambda held: held + b" ",
    "a bit changed": lambda held: held[:30] + bytes([held[30] ^ 1]) + held[31:],
}
FIRST = {
    "imagefolder": "00001/00002.png",
    "webdataset": "shard-000001.tar",
    "npz": "images.npz",
    "official": min(name for name in expected("official") if name.startswith("00002")),
}


@every
def test_verify_names_what_is_changed_and_what_is_missing(tmp_path, kind):
    exported(kind, tmp_path)
    done: list[int] = []
    assert images.verify(tmp_path, done.append) == ()
    assert sum(done) == images.count_files(tmp_path) == len(content(tmp_path)) - 1
    for name in (FIRST[kind], "dataset.json", "categories.csv"):
        path, held = tmp_path / name, (tmp_path / name).read_bytes()
        for harm in HARM.values():
            path.write_bytes(harm(held))
            if name != "dataset.json" or path.read_bytes().startswith(held):
                assert images.verify(tmp_path) == (f"changed {name}",)
        path.write_bytes(held)
    (tmp_path / FIRST[kind]).unlink()
    assert images.verify(tmp_path) == (f"missing {FIRST[kind]}",)
    (tmp_path / "checksums.txt").unlink()
    assert images.verify(tmp_path) == ("unfinished dataset.json",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not exist; name an exported dataset"),
        ("{", "cannot be read"),
        ("[1]", "no dat"),
    ],
)
def test_verify_refuses_what_is_no_manifest(tmp_path, text, message):
    if text is not None:
        (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(InputError, match=message):
        images.verify(tmp_path)


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
    order = layouts.LAYOUTS["webdataset"](plan("webdataset")).order
    for index, (image, label), (again, target) in zip(order, read, theirs, strict=True):
        assert np.array_equal(image, wanted[index])
        assert np.array_equal(np.asarray(again.convert("L")), wanted[index])
        assert label == target == index // 4


# --- the authors' datasets ------------------------------------------------------------------------


def test_a_seed_draws_its_process_only(tmp_path):
    exported("official", tmp_path, seed=2)
    wanted = {
        name: image for name, image in expected("official").items() if name[:5] in "00002 00003"
    }
    assert same(held("official", tmp_path), wanted)
    assert images.verify(tmp_path) == ()


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
    params = [f"param/{c:05d}.csv" for c in range(4)]
    about = ["categories.csv", "checksums.txt", "dataset.json"]
    assert sorted(content(tmp_path)) == [*about, *names, *params]
    assert images.verify(tmp_path) == ()
    # As csv.writer of make_rcdb.py writes it.
    lines = (tmp_path / "param" / "00002.csv").read_bytes().split(b"\r\n")
    keys = b"Vertex Perlin_noise line_width Center_rad Line_num Oval_rate_x Oval_rate_y"
    assert [line.split(b",")[0] for line in lines[:-1]] == [
        *keys.split(),
        b"start_pos_h",
        b"start_pos_w",
    ]
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
