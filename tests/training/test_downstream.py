from urllib.error import URLError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from explorer.training.downstream import DownstreamError, load
from explorer.training.recipe import Task


def keys(images):
    return {image.tobytes() for image in images}


def draw(path, value=100, size=(20, 10), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, 0, 0)).save(path)


def folder(root, classes=("cat", "dog"), count=5):
    for number, name in enumerate(classes):
        for index in range(count):
            draw(root / name / f"{index}.png", 50 * number + index)
    return root


def test_digits_are_split_disjointly_and_evenly():
    task = load(Task(name="digits", test_fraction=0.5), image_size=8)
    assert task.channels == 1
    assert task.classes == tuple("0123456789")
    assert task.train_images.dtype == np.uint8
    assert task.train_images.shape[1:] == (1, 8, 8)
    assert int(task.train_images.max()) == 255
    assert len(task.train_labels) + len(task.test_labels) == 1797
    assert len(keys(task.train_images) | keys(task.test_images)) > 1790
    assert not keys(task.train_images) & keys(task.test_images)
    for labels in (task.train_labels, task.test_labels):
        assert labels.dtype == np.int64
        assert np.ptp(np.bincount(labels)) <= 5


def test_digits_are_the_digits():
    """Nearest class mean reads them: images and labels belong together, after resizing too."""
    task = load(Task(name="digits", test_fraction=0.5), image_size=16)
    flat = task.train_images.reshape(-1, 256).astype(float)
    means = np.stack([flat[task.train_labels == digit].mean(axis=0) for digit in range(10)])
    queries = task.test_images.reshape(-1, 1, 256).astype(float)
    guessed = ((queries - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (guessed == task.test_labels).mean() > 0.85


@settings(max_examples=10)
@given(size=st.integers(10, 300), seed=st.integers(0, 2**32 - 1))
def test_train_size_is_stratified_and_follows_the_seed(size, seed):
    recipe = Task(name="digits", train_size=size, seed=seed)
    task, again = load(recipe, image_size=8), load(recipe, image_size=8)
    assert len(task.train_labels) == size
    assert np.ptp(np.bincount(task.train_labels, minlength=10)) <= 1
    assert np.array_equal(task.train_images, again.train_images)
    whole = load(Task(name="digits", seed=seed), image_size=8)
    assert np.array_equal(task.test_images, whole.test_images)
    assert keys(task.train_images) <= keys(whole.train_images)


def test_another_seed_is_another_split():
    first, second = (load(Task(name="digits", seed=seed), image_size=8) for seed in (0, 1))
    assert not np.array_equal(first.test_images, second.test_images)


def test_fewer_images_than_classes_is_refused():
    with pytest.raises(DownstreamError, match="digits: train_size 5 is less than the 10 classes"):
        load(Task(name="digits", train_size=5), image_size=8)
    with pytest.raises(DownstreamError, match="train_size 1797 is more than the 14"):
        load(Task(name="digits", train_size=1797), image_size=8)


def test_folder_of_classes_is_split(tmp_path):
    root = folder(tmp_path)
    task = load(Task(name="imagefolder", path=root), image_size=4)
    assert task.classes == ("cat", "dog")
    assert task.train_images.shape == (8, 3, 4, 4)
    assert task.test_images.shape == (2, 3, 4, 4)
    assert sorted(task.test_labels) == [0, 1]
    # Red is 50 * class + index; the other planes are zero.
    assert (task.train_images[:, 0, 0, 0] // 50 == task.train_labels).all()
    assert not task.train_images[:, 1:].any()


def test_folder_with_train_and_val(tmp_path):
    folder(tmp_path / "train", ("b", "a", "c"))
    folder(tmp_path / "val", ("c",), count=2)
    (tmp_path / "train" / "a" / "notes.txt").write_text("not an image")
    draw(tmp_path / "train" / "a" / "b" / "deep.PNG")
    draw(tmp_path / "train" / "a" / "grey.png", mode="L")
    task = load(Task(name="imagefolder", path=tmp_path), image_size=4)
    assert task.classes == ("a", "b", "c")
    # A file lies in the class of its first folder, whatever the folders below are called.
    assert np.bincount(task.train_labels).tolist() == [7, 5, 5]
    assert task.test_labels.tolist() == [2, 2]


def test_the_middle_square_is_kept(tmp_path):
    for name in ("a", "b"):
        for index in range(2):
            image = np.zeros((10, 30, 3), np.uint8)
            image[:, 10:20] = 200
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(image).save(tmp_path / name / f"{index}.png")
    task = load(Task(name="imagefolder", path=tmp_path), image_size=5)
    # The black ends are gone, but for what bicubic resampling takes from beside the square.
    assert (task.train_images > 180).all()


def refused(path, **fields):
    with pytest.raises(DownstreamError) as caught:
        load(Task(name="imagefolder", path=path, **fields), image_size=4)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_missing_folder(tmp_path):
    assert refused(tmp_path / "nowhere").startswith(f"{tmp_path / 'nowhere'}: no such directory")


def test_empty_folder(tmp_path):
    assert refused(tmp_path).startswith(f"{tmp_path}: empty")


def test_empty_class(tmp_path):
    folder(tmp_path)
    (tmp_path / "eel").mkdir()
    assert refused(tmp_path).startswith(f"{tmp_path / 'eel'}: no image")


def test_one_class(tmp_path):
    folder(tmp_path, ("cat",))
    assert refused(tmp_path).startswith(f"{tmp_path / 'cat'}: the only class")


def test_class_of_one_image_cannot_be_split(tmp_path):
    folder(tmp_path, count=1)
    assert "class cat has one image" in refused(tmp_path)


def test_unreadable_image(tmp_path):
    folder(tmp_path)
    bad = tmp_path / "dog" / "bad.png"
    bad.write_bytes(b"no picture")
    assert refused(tmp_path).startswith(f"{bad}: not a readable image")
    whole = (tmp_path / "dog" / "0.png").read_bytes()
    bad.write_bytes(whole[: len(whole) // 2])
    assert refused(tmp_path).startswith(f"{bad}: not a readable image")


@pytest.mark.parametrize(("there", "missing"), [("train", "val"), ("val", "train")])
def test_half_a_split(tmp_path, there, missing):
    folder(tmp_path / there)
    assert refused(tmp_path).startswith(f"{tmp_path / missing}: missing beside")


def test_class_unknown_to_train(tmp_path):
    folder(tmp_path / "train")
    folder(tmp_path / "val", ("cat", "eel"))
    assert refused(tmp_path).startswith(f"{tmp_path / 'val' / 'eel'}: no class of that name")


def test_test_fraction_beside_val(tmp_path):
    folder(tmp_path / "train")
    folder(tmp_path / "val")
    assert "test_fraction has no effect" in refused(tmp_path, test_fraction=0.5)


class Fetched:
    """Stands for a torchvision dataset: pairs of a Pillow image and a label."""

    def __init__(self, root, train=None, split=None, download=False):
        assert root.is_dir()
        self.count = 4 if split == "val" else 12
        self.offset = {"train": 0, "val": 100, "test": 200}[split or ("train" if train else "test")]
        assert download

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index >= self.count:
            raise IndexError(index)
        return Image.new("RGB", (9, 9), (self.offset + index, 0, 0)), index % 2


@pytest.mark.parametrize(
    ("name", "attribute", "count"),
    [("cifar10", "CIFAR10", 12), ("cifar100", "CIFAR100", 12), ("flowers102", "Flowers102", 16)],
)
def test_torchvision_task(tmp_path, monkeypatch, name, attribute, count):
    monkeypatch.setattr(f"torchvision.datasets.{attribute}", Fetched)
    task = load(Task(name=name, path=tmp_path), image_size=6)
    assert task.train_images.shape == (count, 3, 6, 6)
    assert (task.test_images[:, 0, 0, 0] == 200 + np.arange(12)).all()
    assert task.classes == ("0", "1")


@pytest.mark.parametrize("error", [URLError("no route"), RuntimeError("not found")])
def test_no_network(tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("torchvision.datasets.CIFAR10", fail)
    with pytest.raises(DownstreamError) as caught:
        load(Task(name="cifar10", path=tmp_path), image_size=6)
    assert str(tmp_path) in str(caught.value)
    assert "connect to the network once, or copy the files" in str(caught.value)
