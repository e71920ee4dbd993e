import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from explorer.training import tasks
from explorer.training.downstream import DownstreamError, grey, load, sample_folder, scatter
from explorer.training.recipe import Scatter, Task


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


# --- Splits and draws ---------------------------------------------------------------------------


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
def test_labelled_images_are_even_and_follow_the_seed(size, seed):
    recipe = Task(name="digits", train_size=size, draws=2, seed=seed)
    task, again = load(recipe, image_size=8), load(recipe, image_size=8)
    whole = load(Task(name="digits", seed=seed), image_size=8)
    assert np.array_equal(task.test_images, whole.test_images)
    for number in range(2):
        images, labels = task.labelled(number)
        assert np.ptp(np.bincount(labels, minlength=10)) <= 1
        assert len(labels) == size
        assert np.array_equal(images, again.labelled(number)[0])
        left, _ = task.held_out(number)
        assert keys(left) | keys(images) == keys(whole.train_images)
        assert len(left) + size == len(whole.train_labels)
    assert keys(task.labelled(0)[0]) != keys(task.labelled(1)[0])


def test_all_images_are_labelled_where_no_number_is_given():
    task = load(Task(name="digits"), image_size=8)
    assert len(task.labelled(0)[1]) == len(task.train_labels)
    assert len(task.held_out(0)[1]) == 0


def test_images_that_no_score_uses_are_not_decoded(monkeypatch):
    decoded = []

    def read(index):
        decoded.append(index)
        return Image.new("L", (4, 4), index % 256)

    split = tasks.Split(np.arange(9000) % 10, read)
    source = tasks.Source(tuple("0123456789"), split, tasks.Split(np.arange(10), read), channels=1)
    kind = tasks.Kind(lambda _task: source, path="refused")
    monkeypatch.setitem(tasks.BUILT_IN, "many", kind)
    task = load(Task(name="many", train_size=20, draws=3), image_size=4)
    assert 2000 <= len(task.train_labels) <= 2060
    assert len(decoded) == len(task.train_labels) + 10


def test_another_seed_is_another_split():
    first, second = (load(Task(name="digits", seed=seed), image_size=8) for seed in (0, 1))
    assert not np.array_equal(first.test_images, second.test_images)


def test_fewer_images_than_classes_is_refused():
    with pytest.raises(DownstreamError, match="digits: train_size 5 is less than the 10 classes"):
        load(Task(name="digits", train_size=5), image_size=8)
    with pytest.raises(DownstreamError, match="train_size 1797 is more than the 14"):
        load(Task(name="digits", train_size=1797), image_size=8)


# --- Scattered and inverted images --------------------------------------------------------------


def test_a_scattered_task_keeps_labels_and_test_images_but_moves_them():
    plain = load(Task(name="digits"), image_size=16)
    moved = load(Task(name="digits", scatter=Scatter()), image_size=16)
    few = load(Task(name="digits", scatter=Scatter(), train_size=50), image_size=16)
    assert np.array_equal(plain.test_labels, moved.test_labels)
    assert not keys(plain.test_images) & keys(moved.test_images)
    # What an image looks like does not depend on which others are chosen.
    assert keys(few.labelled(0)[0]) <= keys(moved.train_images)
    assert np.array_equal(few.test_images, moved.test_images)


def test_half_of_the_images_are_inverted():
    plain = load(Task(name="digits"), image_size=8)
    mixed = load(Task(name="digits", invert=0.5), image_size=8)
    for before, after in (
        (plain.train_images, mixed.train_images),
        (plain.test_images, mixed.test_images),
    ):
        same = (before == after).all(axis=(1, 2, 3))
        assert (same ^ (before == 255 - after).all(axis=(1, 2, 3))).all()
        assert 0.4 < same.mean() < 0.6


def shown(recipe, seed, value=(200, 40, 0), ground=(10, 20, 30)):
    """A square of one colour on a ground of another, scattered."""
    image = Image.new("RGB", (40, 40), ground)
    image.paste(value, (5, 5, 35, 35))
    return np.asarray(scatter(image, recipe, 64, np.random.default_rng(seed))).astype(int)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_scattered_images_stay_inside_and_have_their_own_ground(seed):
    image = shown(Scatter(scale=(0.4, 0.6), angle=0), seed)
    inside = (np.abs(image - (200, 40, 0)) < 40).all(axis=2)
    assert np.array_equal(image[0, 0], (10, 20, 30))
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    for span in (np.ptp(rows) + 1, np.ptp(columns) + 1):
        # The square is three quarters of an image of 0.4 to 0.6 of 64 pixels.
        assert 0.75 * 0.4 * 64 - 2 <= span <= 0.75 * 0.6 * 64 + 2


def test_scattered_images_reach_all_places_scales_and_angles():
    images = np.stack([shown(Scatter(), seed)[:, :, 0] > 100 for seed in range(150)])
    area = images.mean(axis=(1, 2))
    side = np.sqrt(area) / 0.75
    assert side.min() < 0.45
    assert side.max() > 0.8
    x = np.array([np.nonzero(image)[1].mean() for image in images]) / 64
    assert x.min() < 0.35
    assert x.max() > 0.65
    # A turned square has a bounding box that is larger than the root of its area.
    boxes = np.array([np.ptp(np.flatnonzero(image.any(axis=0))) + 1 for image in images]) / 64
    assert (boxes / np.sqrt(area) > 1.2).mean() > 0.2
    assert (boxes / np.sqrt(area) < 1.15).mean() > 0.1


def test_an_angle_turns_about_the_middle():
    image = Image.new("L", (64, 64), 0)
    image.paste(255, (28, 0, 36, 20))  # a bar at the top
    for seed in range(20):
        rng = np.random.default_rng(seed)
        turned = np.asarray(scatter(image, Scatter(scale=(1, 1), angle=90, place=0), 64, rng))
        rng = np.random.default_rng(seed)
        rng.uniform(1, 1)
        angle = np.deg2rad(rng.uniform(-90, 90))
        y, x = (axis.mean() - 31.5 for axis in np.nonzero(turned > 128))
        assert np.hypot(x, y) == pytest.approx(22, abs=1)
        # Upwards is (0, -22); a positive angle turns clockwise on the screen.
        assert (x, y) == pytest.approx((22 * np.sin(angle), -22 * np.cos(angle)), abs=1)


# --- Folders ------------------------------------------------------------------------------------


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


def test_a_sample_of_a_folder(tmp_path):
    folder(tmp_path, ("a", "b", "c"))
    images, labels = sample_folder(tmp_path, 2, 3, image_size=4, seed=0)
    images = images.whole()
    assert images.shape == (6, 3, 4, 4)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert len(set((images[:, 0, 0, 0] // 50).tolist())) == 2
    with pytest.raises(DownstreamError, match="has 3 classes, not 4"):
        sample_folder(tmp_path, 4, 3, image_size=4, seed=0)
    with pytest.raises(DownstreamError, match="has 5 images, not 6"):
        sample_folder(tmp_path, 2, 6, image_size=4, seed=0)


def test_grey_is_the_luma():
    image = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3), dtype=np.uint8)
    expected = np.stack([np.asarray(Image.fromarray(each).convert("L")) for each in image])
    assert np.abs(grey(image.transpose(0, 3, 1, 2)).astype(int) - expected).max() <= 1


def _unknown(root):
    folder(root / "train")
    folder(root / "val", ("cat", "eel"))
    return Task(name="imagefolder", path=root)


def _fraction(root):
    folder(root / "train")
    folder(root / "val")
    return Task(name="imagefolder", path=root, test_fraction=0.5)


def _damaged(root):
    folder(root)
    file = root / "dog" / "bad.png"
    file.write_bytes((root / "dog" / "0.png").read_bytes()[:40])
    return Task(name="imagefolder", path=root)


def _no_picture(root):
    folder(root)
    (root / "dog" / "bad.png").write_bytes(b"no picture")
    return Task(name="imagefolder", path=root)


def _empty_class(root):
    folder(root)
    (root / "eel").mkdir()
    return Task(name="imagefolder", path=root)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda root: Task(name="imagefolder", path=root / "nowhere"),
            "nowhere: no such directory",
        ),
        (lambda root: Task(name="imagefolder", path=root), ": empty"),
        (_empty_class, "eel: no image"),
        (lambda root: Task(name="imagefolder", path=folder(root, ("cat",))), "cat: the only class"),
        (lambda root: Task(name="imagefolder", path=folder(root, count=1)), "cat has one image"),
        (_no_picture, "bad.png: not a readable image"),
        (_damaged, "bad.png: not a readable image"),
        (_unknown, "eel: no class of that name"),
        (_fraction, "test_fraction has no effect"),
    ],
)
def test_what_is_wrong_with_a_folder_is_named(tmp_path, make, message):
    with pytest.raises(DownstreamError) as caught:
        load(make(tmp_path), image_size=4)
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
