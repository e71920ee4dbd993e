"""What a trial is, from ranges to scores. Start reading here.

1. *Render* a proxy dataset: every category draws its parameters from the ranges, and its
   instances are drawn from those.
2. Measure the *variety* of its images.
3. *Pre-train* a vision transformer from random weights to tell the categories apart; at every
   rung on the way a cheap *probe* says how useful its features have become.
4. *Fine-tune* it under a new head on the downstream task; the accuracy on the test images is the
   score.

The arm from scratch does the last step only, from the same random weights. Same arguments, same
scores; what differs between two arms of a study with the same seed is the ranges and nothing else.
"""

import socket
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from explorer import variety
from explorer.config import Protocol, Range
from explorer.dataset import render_dataset
from explorer.scores import Rung, Scores
from explorer.training import downstream, engine, models, probe


def evaluate(
    ranges: Mapping[str, Range] | None,
    protocol: Protocol,
    seed: int,
    *,
    formula: str = "visual_atom",
) -> Generator[Rung, None, Scores]:
    """Score the ranges of a formula under a protocol.

    Args:
        ranges: Range by parameter (or group) of the formula; those not named keep their default.
            ``None`` is the arm from scratch, which is not pre-trained.
        protocol: Dataset size, model, training and downstream task.
        seed: Seed of all that is random: the images, the weights, the order of training.
        formula: Name of the image family.

    Yields:
        A report at every rung of the protocol.

    Returns:
        The scores.

    Raises:
        RangeError: The formula cannot draw from these ranges.
        DownstreamError: The downstream task cannot be loaded.
        TrainingDiverged: A loss is no longer finite.
    """
    seconds: dict[str, float] = {}
    epochs: list[dict[str, Any]] = []
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    scores = Scores(0.0, {}, seconds=seconds, epochs=epochs, host=socket.gethostname())
    scores.device = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    size = protocol.model.image_size

    with _timed(seconds, "total"):
        task = downstream.load(protocol.downstream, image_size=size)
        classes = len(task.classes) if ranges is None else protocol.dataset.categories
        model = models.build(protocol.model, classes=classes, channels=task.channels, seed=seed)

        if ranges is not None:
            with _timed(seconds, "render"):
                proxy = render_dataset(
                    formula, ranges, **protocol.dataset.model_dump(), size=size, seed=seed
                )
            with _timed(seconds, "variety"):
                scores.variety = variety.measure(proxy.images, proxy.labels, seed=seed)
            scores.dataset = proxy.digest
            training = engine.Training(
                model,
                proxy.images,
                proxy.labels,
                protocol.pretrain,
                classes=protocol.dataset.categories,
                seed=seed,
                device=device,
                phase="pretrain",
            )
            for event in training.run():
                if isinstance(event, engine.Epoch):
                    _add(seconds, "pretrain", event.seconds)
                    scores.pretrain_loss = event.loss
                    epochs.append(_row("pretrain", event))
                else:
                    with _timed(seconds, "probe"):
                        accuracy = probe.accuracy(model, task, seed=seed, device=device)
                    yield Rung(event.images_seen, accuracy)
            models.replace_head(model, classes=len(task.classes), seed=seed)

        training = engine.Training(
            model,
            task.train_images,
            task.train_labels,
            protocol.finetune,
            classes=len(task.classes),
            seed=seed,
            device=device,
            phase="finetune",
        )
        for event in training.run():
            if isinstance(event, engine.Epoch):
                _add(seconds, "finetune", event.seconds)
                epochs.append(_row("finetune", event))
        with _timed(seconds, "test"):
            guessed = engine.predict(model, task.test_images, training.standardise, device=device)
        scores.accuracy = float(np.mean(guessed == task.test_labels))
        scores.accuracies = {task.name: scores.accuracy}
    return scores


def check(protocol: Protocol) -> None:
    """Try what a protocol names before anything is run: GPU, downstream task and model.

    Raises:
        ValueError: It wants a GPU and there is none.
        DownstreamError: The task cannot be loaded.
        ModelError: The model cannot be built.
    """
    if protocol.resources.gpus and not torch.cuda.is_available():
        raise ValueError("wants a GPU, and torch sees none here; laptop is for processors")
    task = downstream.load(protocol.downstream, image_size=protocol.model.image_size)
    models.build(protocol.model, classes=len(task.classes), channels=task.channels, seed=0)


def _row(phase: str, event: engine.Epoch) -> dict[str, Any]:
    return {
        "phase": phase,
        "epoch": event.epoch,
        "images_seen": event.images_seen,
        "loss": event.loss,
        "accuracy": event.accuracy,
        "seconds": event.seconds,
    }


def _add(seconds: dict[str, float], phase: str, spent: float) -> None:
    seconds[phase] = seconds.get(phase, 0.0) + spent


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        _add(seconds, phase, time.perf_counter() - began)
