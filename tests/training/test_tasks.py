"""The registry of tasks. What is fetched elsewhere is written here in the sets' own formats."""

import csv
from importlib.metadata import EntryPoint
from urllib.error import URLError

import numpy as np
import pytest
import torchvision
from PIL import Image
from scipy.io import savemat

from explorer.training import tasks
from explorer.training.downstream import DownstreamError, load
from explorer.training.recipe import Scatter, Task


def picture(path, value=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (9, 9), (value, 0, 0)).save(path)


def dtd(root):
    """dtd/images and dtd/labels, ten splits; only the first is read."""
    base = root / "dtd" / "dtd"
    for split in ("train", "val", "test"):
        names = [f"{name}/{name}_{split}.jpg" for name in ("banded", "woven")]
        for number, name in enumerate(names):
            picture(base / "images" / name, 50 + 100 * number)
        (base / "labels").mkdir(exist_ok=True)
        (base / "labels" / f"{split}1.txt").write_text("\n".join(names))
    return 4, ("banded", "woven")


def food101(root):
    base = root / "food-101"
    for split in ("train", "test"):
        names = {name: [f"{name}/{split}"] for name in ("apple_pie", "waffles")}
        for number, (name, files) in enumerate(names.items()):
            picture(base / "images" / f"{files[0]}.jpg", 50 + 100 * number)
            del name
        (base / "meta").mkdir(exist_ok=True)
        text = "{" + ", ".join(f'"{k}": ["{v[0]}"]' for k, v in names.items()) + "}"
        (base / "meta" / f"{split}.json").write_text(text)
    (base / "meta" / "classes.txt").write_text("apple_pie\nwaffles")
    (base / "meta" / "labels.txt").write_text("Apple pie\nWaffles")
    return 2, ("apple_pie", "waffles")


def aircraft(root):
    base = root / "fgvc-aircraft-2013b" / "data"
    for split in ("trainval", "test"):
        rows = []
        for number, name in enumerate(("707-320", "A380")):
            picture(base / "images" / f"{split}{number}.jpg", 50 + 100 * number)
            rows.append(f"{split}{number} {name}")
        (base / f"images_variant_{split}.txt").write_text("\n".join(rows))
    (base / "variants.txt").write_text("707-320\nA380\n")
    return 2, ("707-320", "A380")


def pet(root):
    base = root / "oxford-iiit-pet"
    (base / "annotations").mkdir(parents=True)
    for split in ("trainval", "test"):
        rows = []
        for number, name in enumerate(("Abyssinian", "beagle")):
            picture(base / "images" / f"{name}_{split}.jpg", 50 + 100 * number)
            rows.append(f"{name}_{split} {number + 1} 1 1")
        (base / "annotations" / f"{split}.txt").write_text("\n".join(rows))
    return 2, ("Abyssinian", "Beagle")


def cars(root):
    base = root / "stanford_cars"
    kit = base / "devkit"
    kit.mkdir(parents=True)
    names = ["Audi", "BMW"]
    savemat(kit / "cars_meta.mat", {"class_names": np.array(names, dtype=object)[None]})
    kind = [("class", "O"), ("fname", "O")]
    for split, file in (
        ("train", kit / "cars_train_annos.mat"),
        ("test", base / "cars_test_annos_withlabels.mat"),
    ):
        rows = np.array([(n + 1, f"{n}.jpg") for n in range(2)], dtype=kind)[None]
        savemat(file, {"annotations": rows})
        for number in range(2):
            picture(base / f"cars_{split}" / f"{number}.jpg", 50 + 100 * number)
    return 2, ("Audi", "BMW")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("dtd", dtd),
        ("food101", food101),
        ("fgvcaircraft", aircraft),
        ("oxfordiiitpet", pet),
        ("stanfordcars", cars),
    ],
)
def test_a_set_of_torchvision_in_its_own_format(tmp_path, name, write):
    count, classes = write(tmp_path)
    task = load(Task(name=name, path=tmp_path, scatter=Scatter(), invert=0.5), image_size=8)
    assert task.classes == classes
    assert task.train_images.shape == (count, 3, 8, 8)
    assert sorted(task.test_labels.tolist()) == [0, 1]


def test_small_sets_are_read_whole_and_unchanged(tmp_path):
    """SVHN in its own format: a MATLAB file per split, the digit 0 labelled 10."""
    images = np.arange(12 * 32 * 32 * 3, dtype=np.uint32).astype(np.uint8)
    images = images.reshape(32, 32, 3, 12)
    labels = np.array([[10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1]]).T
    for split in ("train", "test"):
        savemat(tmp_path / f"{split}_32x32.mat", {"X": images, "y": labels})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torchvision.datasets.svhn.check_integrity", lambda *_: True)
        patch.setattr("torchvision.datasets.svhn.download_url", lambda *_: None)
        task = load(Task(name="svhn", path=tmp_path), image_size=32)
    assert task.classes == tuple("0123456789")
    assert task.train_labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert np.array_equal(task.train_images[3], images[..., 3].transpose(2, 0, 1))


class Fetched:
    """Stands for a data set of torchvision: pairs of a Pillow image and a label, no more."""

    def __init__(self, root, train=None, split=None, download=False):
        assert root.is_dir()
        self.count = 4 if split == "val" else 12
        self.offset = {"train": 0, "val": 100, "test": 200}[split or ("train" if train else "test")]
        if not download:
            raise RuntimeError("Dataset not found.")

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index >= self.count:
            raise IndexError(index)
        return Image.new("RGB", (9, 9), (self.offset + index, 0, 0)), index % 2


@pytest.mark.parametrize(
    ("name", "attribute", "count"),
    [("cifar10", "CIFAR10", 12), ("flowers102", "Flowers102", 16), ("stl10", "STL10", 12)],
)
def test_a_set_that_tells_no_labels_beforehand(tmp_path, monkeypatch, name, attribute, count):
    monkeypatch.setattr(f"torchvision.datasets.{attribute}", Fetched)
    task = load(Task(name=name, path=tmp_path), image_size=6)
    assert task.train_images.shape == (count, 3, 6, 6)
    assert (task.test_images[:, 0, 0, 0] == 200 + np.arange(12)).all()
    assert task.classes == ("0", "1")


def test_every_set_of_torchvision_is_there():
    built_in = {name.lower() for name in dir(torchvision.datasets)}
    assert tasks.BUILT_IN.keys() - {"digits", "imagefolder"} <= built_in


@pytest.mark.parametrize("error", [URLError("no route"), RuntimeError("not found")])
def test_no_network(tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("torchvision.datasets.CIFAR10", fail)
    with pytest.raises(DownstreamError) as caught:
        load(Task(name="cifar10", path=tmp_path), image_size=6)
    assert str(tmp_path) in str(caught.value)
    assert "connect to the network once, or copy the files" in str(caught.value)


# --- timm and other packages --------------------------------------------------------------------


def test_a_data_set_of_timm(tmp_path):
    """timm's reader of torchvision's folders; `hfds/` takes the same way with another reader."""
    for split, count in (("train", 3), ("test", 1)):
        for number, name in enumerate(("cat", "dog")):
            for index in range(count):
                picture(tmp_path / split / name / f"{index}.png", 50 + 100 * number + index)
    recipe = Task(name="torch/image_folder", path=tmp_path, splits=("train", "test"))
    task = load(recipe, image_size=4)
    assert task.classes == ("cat", "dog")
    assert task.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert task.train_images[:, 0, 0, 0].tolist() == [50, 51, 52, 150, 151, 152]
    assert len(task.test_labels) == 2


class Reader:
    """A reader of timm that tells its labels without reading images, as that of hfds does."""

    class_to_idx = {"cat": 0, "dog": 1}  # noqa: RUF012

    def iter_targets(self):
        return iter([0, 1, 1])


class Hub:
    """Stands for a data set that timm has opened."""

    reader = Reader()
    read: list[int] = []  # noqa: RUF012

    def __len__(self):
        return 3

    def __getitem__(self, index):
        self.read.append(index)
        return Image.new("RGB", (9, 9), (index, 0, 0)), [0, 1, 1][index]


class Stream:
    """Stands for a stream of timm: an order, but no index."""

    def __iter__(self):
        return ((Image.new("RGB", (9, 9), (index, 0, 0)), index % 2) for index in range(4))


def test_a_data_set_of_the_hugging_face_hub(monkeypatch):
    asked = []

    def create(name, **options):
        asked.append((name, options["root"], options["split"]))
        return Hub()

    monkeypatch.setattr("timm.data.create_dataset", create)
    recipe = Task(name="hfds/owner/pets", splits=("train", "validation"), train_size=2)
    source = tasks.kind("hfds/owner/pets").load(recipe)
    assert asked == [("hfds/owner/pets", None, "train"), ("hfds/owner/pets", None, "validation")]
    assert source.classes == ("cat", "dog")
    assert Hub.read == []
    assert np.asarray(source.train.read(2))[0, 0].tolist() == [2, 0, 0]
    monkeypatch.setattr("timm.data.create_dataset", lambda *_, **__: Stream())
    task = load(Task(name="tfds/pets"), image_size=4)
    assert task.train_images[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert task.train_labels.tolist() == [0, 1, 0, 1]


def test_a_data_set_whose_package_is_missing(monkeypatch):
    def create(*_, **__):
        raise ImportError("No module named 'datasets'")

    monkeypatch.setattr("timm.data.create_dataset", create)
    with pytest.raises(DownstreamError, match=r"hfds/x/y: not found .*No module named 'datasets'"):
        load(Task(name="hfds/x/y"), image_size=4)


LEAVES = tasks.Kind(
    lambda _task: tasks.Source(
        ("oak", "elm"),
        tasks.Split(np.arange(8) % 2, lambda index: Image.new("L", (5, 5), 10 * index)),
        channels=1,
    ),
    path="refused",
    split="share",
)


@pytest.fixture
def offered(monkeypatch):
    """An entry point of another package: its name, and what it names in this file."""

    def offer(name, value):
        point = EntryPoint(name, f"{__name__}:{value}", tasks.GROUP)
        tasks._offered.cache_clear()
        tasks._plugin.cache_clear()
        monkeypatch.setattr(tasks, "entry_points", lambda group: [point] * (group == tasks.GROUP))

    yield offer
    tasks._offered.cache_clear()
    tasks._plugin.cache_clear()


def test_another_package_adds_a_task(offered):
    offered("leaves", "LEAVES")
    task = load(Task(name="leaves", test_fraction=0.5), image_size=5)
    assert task.classes == ("oak", "elm")
    assert task.channels == 1
    assert len(task.train_labels) == len(task.test_labels) == 4
    assert "leaves" in tasks.names()


@pytest.mark.parametrize(
    ("value", "message"), [("NOWHERE", "cannot be loaded"), ("csv", "is no Kind")]
)
def test_a_broken_package_is_named(offered, value, message):
    assert csv
    offered("leaves", value)
    with pytest.raises(DownstreamError, match=rf"task 'leaves': entry point .*{message}"):
        tasks.kind("leaves")


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(DownstreamError, match="did you mean 'food101'"):
        tasks.kind("food")
