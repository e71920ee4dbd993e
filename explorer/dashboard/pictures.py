"""The pictures of a trial: its images, drawn anew from its ranges, and its curves."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from explorer import store as db
from explorer.formulas import BrokenFormula, RangeError, UnknownFormula
from explorer.images import Plan, contact_sheet
from explorer.report.definition import protocol_of
from explorer.report.figures.style import BLUE, DIM, VERMILION

SHEET, CURVES = "images.png", "curves.png"
"""The file names by which the pictures of a trial are told from files that a person has added."""

_CATEGORIES, _INSTANCES, _SIDE = 4, 6, 96


def sheet(trial: FrozenTrial, said: Mapping[str, Any]) -> bytes | None:
    """Draw the first images of the first categories that a trial was pre-trained on.

    They are drawn anew: an image follows from formula, ranges, seed, category and instance. They
    are larger than the trained ones where those are small and the canvas is not.

    Args:
        trial: A trial of ours.
        said: The definition of its study.

    Returns:
        A PNG; ``None`` of a trial from scratch, of one on real images, and where this explorer
        cannot draw them: another package's formula that is not installed here, say.
    """
    attrs = trial.user_attrs
    protocol = protocol_of(said, attrs.get("arm"))
    sizes = protocol.get("dataset") or {}
    formula = attrs.get("formula") or (said.get("search_space") or {}).get("formula")
    if attrs.get("ranges") is None or sizes.get("images") or not formula or "canvas" not in sizes:
        return None
    side = int((protocol.get("model") or {}).get("image_size", _SIDE))
    try:
        plan = Plan(
            formula,
            {name: (low, high) for name, (low, high) in attrs["ranges"].items()},
            categories=min(_CATEGORIES, int(sizes["categories"])),
            instances=min(_INSTANCES, int(sizes["instances"])),
            canvas=int(sizes["canvas"]),
            size=min(int(sizes["canvas"]), max(side, _SIDE)),
            seed=int(attrs.get("seed", 0)),
            workers=1,
        )
    except (UnknownFormula, BrokenFormula, RangeError):
        return None
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(contact_sheet([plan])).save(file, "PNG")
    return file.getvalue()


def curves(trial: FrozenTrial, epochs: Sequence[Mapping[str, Any]]) -> bytes | None:
    """Draw how a trial learned: loss by phase, accuracy of fine-tuning, the probe at its rungs.

    Args:
        trial: A trial of ours.
        epochs: Its epoch curves, as the database has them.

    Returns:
        A PNG; ``None`` where there is nothing to draw.
    """
    probes = db.rung_values(trial)
    phases: dict[str, list[Mapping[str, Any]]] = {}
    for row in epochs:
        phases.setdefault(row["phase"], []).append(row)
    if not phases and len(probes) < 2:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.6), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    for phase, rows in sorted(phases.items(), key=lambda one: one[0] != "pretrain"):
        first = phase in {"pretrain", "finetune"}
        color = BLUE if phase == "pretrain" else VERMILION
        name = {"pretrain": "pre-training", "finetune": "fine-tuning"}.get(phase)
        seen = [row["images_seen"] for row in rows]
        style: dict[str, Any] = {"color": color, "lw": 1.2 if first else 0.6, "marker": "."}
        left.plot(seen, [row["loss"] for row in rows], label=name, **style)
        known = [
            (row["images_seen"], 100 * row["accuracy"])
            for row in rows
            if row["accuracy"] is not None
        ]
        if known:
            right.plot(*zip(*known, strict=True), label=name and f"{name}: its batches", **style)
    if probes:
        values = [100 * value for value in probes.values()]
        right.plot(list(probes), values, "s", color=DIM, ms=4, label="probe at a rung")
    for axes, title in ((left, "loss"), (right, "accuracy [%]")):
        axes.set_xlabel("images seen in the phase", fontsize=8)
        axes.set_ylabel(title, fontsize=8)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
