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

import dataclasses
import socket
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager

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
    device = torch.device("cuda" if protocol.resources.gpus else "cpu")
    scores = Scores(host=socket.gethostname(), device=_name(device))
    size = protocol.model.image_size

    with _timed(scores, "total"):
        task = downstream.load(protocol.downstream, image_size=size)
        classes = len(task.classes) if ranges is None else protocol.dataset.categories
        model = models.build(protocol.model, classes=classes, channels=task.channels, seed=seed)

        if ranges is not None:
            with _timed(scores, "render"):
                sizes = protocol.dataset.model_dump()
                proxy = render_dataset(formula, ranges, **sizes, size=size, seed=seed)
                scores.dataset = proxy.digest
            with _timed(scores, "variety"):
                scores.variety = variety.measure(proxy.images, proxy.labels, seed=seed)
            training = engine.Training(
                model,
                proxy.images,
                proxy.labels,
                protocol.pretrain,
                classes=classes,
                seed=seed,
                device=device,
                phase="pretrain",
            )
            for reached in _train(training, scores):
                with _timed(scores, "probe"):
                    accuracy = probe.accuracy(model, task, seed=seed, device=device)
                yield Rung(reached.images_seen, accuracy)
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
        for _ in _train(training, scores):
            pass  # no rungs on the way
        with _timed(scores, "test"):
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


def _train(training: engine.Training, scores: Scores) -> Iterator[engine.Rung]:
    """Train to the end, record the epochs, and yield at the rungs."""
    for event in training.run():
        if isinstance(event, engine.Rung):
            yield event
            continue
        scores.epochs.append({"phase": training.phase, **dataclasses.asdict(event)})
        _spend(scores, training.phase, event.seconds)
        if training.phase == "pretrain":
            scores.pretrain_loss = event.loss


@contextmanager
def _timed(scores: Scores, phase: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        _spend(scores, phase, time.perf_counter() - began)


def _spend(scores: Scores, phase: str, seconds: float) -> None:
    scores.seconds[phase] = scores.seconds.get(phase, 0.0) + seconds


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
