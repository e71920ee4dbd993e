"""A proxy dataset as tar shards in the format of the webdataset library."""

import itertools
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np

from explorer.images import manifest, png
from explorer.images.plan import Images, Plan, Progress

LAYOUT = "webdataset"

_IMAGES = 1000  # a shard: some tens of MB at 512 x 512
_INFO = "_info.json"


def export_webdataset(
    plan: Plan, directory: str | Path, *, progress: Progress | None = None
) -> Path:
    """Write a proxy dataset as tar shards of 1,000 images.

    ``directory/shard-000000.tar`` holds the first images, category by category; instance 17 of
    category 3 is the member ``00003_00017.png``, followed by ``00003_00017.cls``, the category in
    digits. The bytes of a shard depend on the images and the version of zlib only. A shard has its
    name only when it is complete, so an interrupted export is continued by the same call. A bounded
    number of images is held in memory. ``_info.json`` tells timm's reader of the split ``train``.

    Args, return value and errors are those of :func:`export_imagefolder`.
    """
    root, what = Path(directory), manifest.identity(plan, LAYOUT)
    names = [_shard_name(first // _IMAGES) for first in range(0, plan.total, _IMAGES)]

    def encode(category: int, numbers: range, images: Images) -> list[bytes | None]:
        first = category * plan.instances
        wanted = [(first + number) // _IMAGES in missing for number in numbers]
        return [png.encode(i) if want else None for i, want in zip(images, wanted, strict=True)]

    with png.writing(root):
        manifest.prepare(root, what, {*names, _INFO}.__contains__)
        missing = {number for number, name in enumerate(names) if not (root / name).exists()}
        places = itertools.count()
        digest = plan.digest()
        with ExitStack() as stack:  # takes back the shard of an export that fails
            for category, numbers, _, encoded in plan.drawn(digest, progress, encode):
                for number, content, place in zip(numbers, encoded, places, strict=False):
                    if content is None:
                        continue
                    if place % _IMAGES == 0:
                        shard = stack.enter_context(_shard(root / names[place // _IMAGES]))
                    _add(shard, f"{category:05d}_{number:05d}.png", content)
                    _add(shard, f"{category:05d}_{number:05d}.cls", str(category).encode())
                    if (place + 1) % _IMAGES == 0 or place + 1 == plan.total:
                        stack.close()
        png.write(root / _INFO, _info(plan))
        return manifest.write(root, what, digest.hexdigest())


def compare(root: Path, plan: Plan, progress: Progress | None) -> tuple[list[str], str]:
    """Render the images again and compare the shards with them.

    Returns:
        ``"missing NAME"`` or ``"changed NAME"`` of every shard, in order, and the images' digest.
    """
    wrong: dict[str, str] = {}
    digest, place = plan.digest(), 0
    shard: Iterator[tuple[str, bytes]] = iter(())
    for category, numbers, images, _ in plan.drawn(digest, progress):
        for number, image in zip(numbers, images, strict=True):
            name = _shard_name(place // _IMAGES)
            if place % _IMAGES == 0:
                shard = _members(root / name)
            place += 1
            last = place % _IMAGES == 0 or place == plan.total
            if name not in wrong:
                state = _state(shard, f"{category:05d}_{number:05d}", category, image, last)
                if state:
                    wrong[name] = state
    info = root / _INFO
    if not info.exists() or info.read_bytes() != _info(plan):
        wrong[_INFO] = "changed" if info.exists() else "missing"
    return [f"{state} {name}" for name, state in wrong.items()], digest.hexdigest()


def _state(
    shard: Iterator[tuple[str, bytes]], key: str, category: int, image: Images, last: bool
) -> str:
    """Say whether the next members of a shard are an image and its label, or what is wrong."""
    try:
        (name, content), label = next(shard), next(shard)
        more = last and next(shard, None) is not None
    except FileNotFoundError:
        return "missing"
    except (OSError, tarfile.TarError, StopIteration):
        return "changed"
    held = png.decode(content)
    same = held is not None and np.array_equal(held, image)
    named = name == f"{key}.png" and label == (f"{key}.cls", str(category).encode())
    return "" if same and named and not more else "changed"


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as file:
        file.seek(-1024, os.SEEK_END)
        if file.read() != bytes(1024) or file.tell() % 512:
            raise tarfile.ReadError("the end is missing")
    with tarfile.open(path) as shard:
        for member in shard:
            content = shard.extractfile(member)
            yield member.name, content.read() if content else b""


@contextmanager
def _shard(path: Path) -> Iterator[tarfile.TarFile]:
    with (
        png.whole(path) as part,
        tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as shard,
    ):
        yield shard


def _add(shard: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # of no owner, and made in 1970: the same bytes at every export
    member.size = len(content)
    shard.addfile(member, BytesIO(content))


def _info(plan: Plan) -> bytes:
    """Describe the shards in the words of timm's ``ReaderWds``."""
    firsts = range(0, plan.total, _IMAGES)
    split = {
        "name": "train",
        "num_samples": plan.total,
        "filenames": [_shard_name(first // _IMAGES) for first in firsts],
        "shard_lengths": [min(_IMAGES, plan.total - first) for first in firsts],
    }
    return json.dumps({"splits": {"train": split}}, indent=2).encode() + b"\n"


def _shard_name(number: int) -> str:
    return f"shard-{number:06d}.tar"
