"""Which files count as images."""

from PIL import Image

from explorer.image_files import SUFFIXES, image_files


def test_pillow_reads_every_ending():
    assert set(Image.registered_extensions()) >= SUFFIXES


def test_images_at_any_depth_in_order_whatever_the_case_of_their_endings(tmp_path):
    for name in ("b.png", "a/deep/c.JPG", "a/notes.txt", "a.webp"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)]
    assert found == ["a/deep/c.JPG", "a.webp", "b.png"]
