"""What a trial is, from ranges to scores. Start reading here.

1. *Render* a proxy dataset: every category draws its parameters from the ranges, and its
   instances are drawn from those.
2. Measure the *variety* of its images.
3. *Pre-train* a vision transformer from random weights to tell the categories apart; at every
   rung on the way a cheap *probe* says how useful its features have become.
4. *Fine-tune* it under a new head on each downstream task, by itself, as often as the protocol
   says; the accuracy on the test images, in the mean over these, is the score.

The arm from scratch does the last step only, from the same random weights. Same arguments, same
scores; what differs between two arms of a study with the same seed is the ranges and nothing else.
"""

import copy
import dataclasses
import socket
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from explorer import variety
from explorer.identity import result_key
from explorer.images import ProxyDataset, render_dataset
from explorer.scores import Rung, Scores
from explorer.study import Protocol, Range
from explorer.training import downstream, engine, models, probe
from explorer.training.checkpoint import Checkpoint


def evaluate(
    ranges: Mapping[str, Range] | None,
    protocol: Protocol,
    seed: int,
    *,
    formula: str = "visual_atom",
    checkpoints: Path | None = None,
) -> Generator[Rung, None, Scores]:
    """Score the ranges of a formula under a protocol.

    Args:
        ranges: Range by parameter (or group) of the formula; those not named keep their default.
            ``None`` is the arm from scratch, which is not pre-trained.
        protocol: Dataset size, model, training and downstream tasks. Where it names a folder of
            images to pre-train on, those stand in for the formula's.
        seed: Seed of all that is random: the images, the weights, the order of training.
        formula: Name of the image family.
        checkpoints: A folder in which pre-training is saved at every rung. A trial that was stopped
            goes on from there, and ends with the scores that it would have had.

    Yields:
        A report at every rung of the protocol; also of those reached before a trial was stopped.

    Returns:
        The scores.

    Raises:
        RangeError: The formula cannot draw from these ranges.
        DownstreamError: A downstream task or the folder of images cannot be loaded.
        TrainingDiverged: A loss is no longer finite.
    """
    device = torch.device("cuda" if protocol.resources.gpus else "cpu")
    scores = Scores(host=socket.gethostname(), device=_name(device))
    key = scores.result_key = result_key(ranges, protocol, seed, formula=formula)
    checkpoint = Checkpoint(checkpoints, key) if checkpoints else None

    with _timed(scores, "total"):
        tasks = _tasks(protocol)
        model = models.build(
            protocol.model,
            classes=protocol.dataset.categories,
            channels=max(task.channels for task in tasks),
            seed=seed,
        )
        if ranges is not None:
            with _timed(scores, "render"):
                proxy = _proxy(formula, ranges, protocol, seed)
                scores.dataset = proxy.digest
            with _timed(scores, "variety"):
                grey = downstream.grey(proxy.images)
                scores.variety = variety.measure(grey, proxy.labels, seed=seed)
                scores.remarks = variety.remarks(proxy.labels, scores.variety)
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
            rungs = _restore(training, scores, checkpoint)
            yield from rungs
            for reached in _train(training, scores):
                with _timed(scores, "probe"):
                    values = [probe.accuracy(model, t, seed=seed, device=device) for t in tasks]
                spent = scores.spent + reached.seconds
                rung = Rung(reached.images_seen, float(np.mean(values)), reached.loss, spent)
                rungs.append(rung)
                _save(training, scores, rungs, checkpoint)
                yield rung

        for task in tasks:
            found = scores.repeats[task.name] = []
            for repeat in range(protocol.finetune.repeats):
                # The first one has the trial's own seed: alone, it is what it would be without.
                own = engine.mixed(seed, 4, repeat) if repeat else seed
                found.append(_fine_tune(copy.deepcopy(model), task, protocol, own, scores, device))
            scores.accuracies[task.name] = float(np.mean(found))
        scores.accuracy = float(np.mean(list(scores.accuracies.values())))
    if checkpoint is not None:
        checkpoint.discard()
    return scores


def check(protocol: Protocol) -> None:
    """Try what a protocol names before anything is run: GPU, downstream tasks and model.

    Raises:
        ValueError: It wants a GPU and there is none.
        DownstreamError: A task cannot be loaded.
        ModelError: The model cannot be built.
    """
    if protocol.resources.gpus and not torch.cuda.is_available():
        raise ValueError("wants a GPU, and torch sees none here; laptop is for processors")
    tasks = _tasks(protocol)
    channels = max(task.channels for task in tasks)
    models.build(protocol.model, classes=len(tasks[0].classes), channels=channels, seed=0)


def _tasks(protocol: Protocol) -> list[downstream.Downstream]:
    return [
        downstream.load(task, image_size=protocol.model.image_size) for task in protocol.downstream
    ]


def _proxy(
    formula: str, ranges: Mapping[str, Range], protocol: Protocol, seed: int
) -> ProxyDataset:
    """Render the images to pre-train on, or read them where the protocol names a folder."""
    sizes, size = protocol.dataset, protocol.model.image_size
    if sizes.images is not None:
        images, labels = downstream.sample_folder(
            sizes.images, sizes.categories, sizes.instances, image_size=size, seed=seed
        )
        return ProxyDataset.of(images, labels)
    return render_dataset(
        formula,
        ranges,
        categories=sizes.categories,
        instances=sizes.instances,
        canvas=sizes.canvas,
        size=size,
        seed=seed,
    )


def _fine_tune(
    model: nn.Module,
    task: downstream.Downstream,
    protocol: Protocol,
    seed: int,
    scores: Scores,
    device: torch.device,
) -> float:
    """Fine-tune a model under a new head, and return its accuracy on the test images."""
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
    for _ in _train(training, scores, part=sum(map(len, scores.repeats.values()))):
        pass  # no rungs on the way
    with _timed(scores, "test"):
        guess = engine.predict(model, task.test_images, training.standardise, device=device)
    return float(np.mean(guess == task.test_labels))


def _train(training: engine.Training, scores: Scores, *, part: int = 0) -> Iterator[engine.Rung]:
    """Train to the end, record the epochs, and yield at the rungs."""
    # The second fine-tuning's epochs are those of phase finetune.2, and so on over the tasks.
    phase = training.phase if part == 0 else f"{training.phase}.{part + 1}"
    for event in training.run():
        if isinstance(event, engine.Rung):
            yield event
            continue
        scores.epochs.append({"phase": phase, **dataclasses.asdict(event)})
        _spend(scores, training.phase, event.seconds)
        if training.phase == "pretrain":
            scores.pretrain_loss = event.loss


def _save(
    training: engine.Training, scores: Scores, rungs: list[Rung], checkpoint: Checkpoint | None
) -> None:
    if checkpoint is not None:
        checkpoint.save(
            {
                "training": training.state(),
                "rungs": [dataclasses.asdict(rung) for rung in rungs],
                "epochs": scores.epochs,
                "seconds": scores.seconds,
            }
        )


def _restore(
    training: engine.Training, scores: Scores, checkpoint: Checkpoint | None
) -> list[Rung]:
    """Go on where the trial was stopped; returns the rungs that it had reached."""
    saved = checkpoint.load() if checkpoint is not None else None
    if saved is None:
        return []
    training.restore(saved["training"])
    scores.epochs = saved["epochs"]
    if scores.epochs:
        scores.pretrain_loss = scores.epochs[-1]["loss"]
    for phase, seconds in saved["seconds"].items():
        _spend(scores, phase, seconds)
        _spend(scores, "total", seconds)
    return [Rung(**rung) for rung in saved["rungs"]]


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
