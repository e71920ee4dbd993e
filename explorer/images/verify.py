"""Compare a dataset on disk with its manifest, by rendering it again."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer import formulas
from explorer.errors import InputError
from explorer.images import imagefolder, manifest, npz, shards
from explorer.images.plan import Progress


@dataclass(frozen=True)
class Stored:
    """A dataset on disk.

    Args:
        directory: As given to the function that wrote it.
        workers: Threads, default one per core.

    Raises:
        InputError: If there is no readable manifest.
    """

    directory: str | Path
    workers: int | None = None

    def __post_init__(self) -> None:
        _ = self.total

    @property
    def total(self) -> int:
        """Number of images that the manifest names."""
        total: int = self._open()[0].total
        return total

    def verify(self, progress: Progress | None = None) -> tuple[str, ...]:
        """Compare every file with the images that the manifest describes.

        Args:
            progress: Called with the number of images compared since its last call.

        Returns:
            ``"missing NAME"`` or ``"changed NAME"`` for every file that is not as it should be;
            nothing if all is well.
        """
        plan, compare = self._open()
        root = Path(self.directory)
        wrong, digest = compare(root, plan, progress)
        same = digest == manifest.read(root).get("digest")
        return tuple(wrong if same else [*wrong, f"changed {manifest.MANIFEST}"])

    def _open(self) -> tuple[Any, Callable[..., tuple[list[str], str]]]:
        path = Path(self.directory) / manifest.MANIFEST
        known = manifest.read(path.parent)
        try:
            if known["stream"] == "official":
                plan = imagefolder.official_plan_of(known, self.workers)
                return plan, imagefolder.compare_official
            return manifest.plan_of(known, self.workers), _COMPARE[known["layout"]]
        except (formulas.UnknownFormula, formulas.BrokenFormula) as error:
            raise InputError(path, "formula", error.name, error.remedy) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(path, None, None, f"describes no dataset: {error}") from error


_COMPARE: dict[str, Callable[..., tuple[list[str], str]]] = {
    layout.LAYOUT: layout.compare for layout in (imagefolder, shards, npz)
}
