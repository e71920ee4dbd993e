"""What a trial is, from ranges to scores. Start reading here.

1. *Render* a proxy dataset: every category draws its parameters from the ranges, and its
   instances are drawn from those.
2. Measure the *variety* of its images.
3. *Pre-train* a vision transformer from random weights to tell the categories apart; at every
   rung on the way a cheap *probe* says how useful its features have become.
4. *Fine-tune* it under a new head on each downstream task, by itself, on every draw of its
   labelled images and as often as the protocol says; the accuracy on the test images, in the mean
   over these, is the score. Companion scores beside it come from the same networks.

The arm from scratch does the last step only, from the same random weights; a protocol that trains
nothing (``train: false``) ends with the second, and draws only the images that are measured. Same
arguments, same scores; what differs between two arms of a study with the same seed is the ranges
and nothing else.
"""

import copy
import dataclasses
import socket
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from explorer import measures
from explorer.identity import result_key
from explorer.images import Plan, ProxyDataset
from explorer.scores import Rung, Scores
from explorer.study import Protocol, Range, load_protocol
from explorer.study.reading import validate
from explorer.training import downstream, engine, memory, models, probe
from explorer.training.checkpoint import Checkpoint
from explorer.training.sources import Source, Streamed, choose

ProtocolLike = Protocol | Mapping[str, Any] | str
"""A protocol as the front door takes it: itself, its content, or its name or file."""

# About so many labelled images that a fine-tuning leaves out are used to fit its temperature.
CALIBRATION_IMAGES = 500


def evaluate(
    ranges: Mapping[str, Any] | None,
    protocol: ProtocolLike,
    *,
    seed: int = 0,
    formula: str = "visual_atom",
    on_rung: Callable[[Rung], object] | None = None,
    checkpoints: Path | None = None,
) -> Scores:
    """Score the ranges of a formula under a protocol.

    Torch computes with as many threads as the protocol's resources have CPUs, and has its own
    number back afterwards.

    Args:
        ranges: Range (two numbers) by parameter or group of the formula; those not named keep their
            default. ``None`` is the arm from scratch, which is not pre-trained.
        protocol: Dataset size, model, training and downstream tasks: a protocol, its content as a
            mapping, or its name (``"laptop"``). Where it names a folder of images to pre-train on,
            those stand in for the formula's.
        seed: Seed of all that is random: the images, the weights, the order of training.
        formula: Name of the image family.
        on_rung: Called with a :class:`~explorer.scores.Rung` at every rung of the protocol; also
            with those that were reached before a trial was stopped.
        checkpoints: A folder in which pre-training is saved at every rung. A trial that was stopped
            goes on from there, and ends with the scores that it would have had.

    Returns:
        The scores.

    Raises:
        InputError: The protocol is missing or wrong.
        RangeError: The formula cannot draw from these ranges.
        DownstreamError: A downstream task or the folder of images cannot be loaded.
        TrainingDiverged: A loss is no longer finite.
    """
    steps = stepwise(ranges, protocol, seed=seed, formula=formula, checkpoints=checkpoints)
    try:
        while True:
            rung = next(steps)
            if on_rung is not None:
                on_rung(rung)
    except StopIteration as end:
        scores: Scores = end.value
        return scores
    finally:
        steps.close()


def stepwise(
    ranges: Mapping[str, Any] | None,
    protocol: ProtocolLike,
    *,
    seed: int = 0,
    formula: str = "visual_atom",
    checkpoints: Path | None = None,
) -> Generator[Rung, None, Scores]:
    """Do as :func:`evaluate`, a rung per step: yields every rung and returns the scores.

    It computes in the thread that steps through it, which must be one and the same.
    """
    protocol = _protocol(protocol)
    with _threads(protocol.resources.threads):
        return (yield from _stepwise(_ranges(ranges), protocol, seed, formula, checkpoints))


def _stepwise(
    ranges: Mapping[str, Range] | None,
    protocol: Protocol,
    seed: int,
    formula: str,
    checkpoints: Path | None,
) -> Generator[Rung, None, Scores]:
    if ranges is None:
        protocol = protocol.from_scratch
    device = torch.device("cuda" if protocol.resources.gpus else "cpu")
    scores = Scores(host=socket.gethostname(), device=_name(device))
    key = scores.result_key = result_key(ranges, protocol, seed, formula=formula)
    checkpoint = Checkpoint(checkpoints, key) if checkpoints else None

    with _timed(scores, "total"):
        if not protocol.train:
            if ranges is not None:
                _drawn(formula, ranges, protocol, seed, scores)
            return scores
        tasks = _tasks(protocol)
        scores.remarks = [f"{task.name}: {remark}" for task in tasks for remark in task.remarks]
        model = models.build(
            protocol.model,
            classes=protocol.dataset.categories,
            channels=max(task.channels for task in tasks),
            seed=seed,
        )
        if ranges is not None:
            yield from _pretrain(
                model, ranges, tasks, protocol, seed, formula, scores, device, checkpoint
            )
        with _timed(scores, "companions"):
            frozen = [probe.companions(model, t, seed=seed, device=device) for t in tasks]
        for task, companions in zip(tasks, frozen, strict=True):
            fine_tuned = _fine_tune_all(model, task, protocol, seed, scores, device)
            scores.repeats[task.name] = [accuracy for accuracy, _ in fine_tuned]
            scores.accuracies[task.name] = float(np.mean(scores.repeats[task.name]))
            companions["log_likelihood"] = float(np.mean([value for _, value in fine_tuned]))
        scores.companions = {
            name: float(np.mean([companions[name] for companions in frozen])) for name in frozen[0]
        }
        scores.accuracy = float(np.mean(list(scores.accuracies.values())))
    if checkpoint is not None:
        checkpoint.discard()
    return scores


def _pretrain(
    model: nn.Module,
    ranges: Mapping[str, Range],
    tasks: Sequence[downstream.Downstream],
    protocol: Protocol,
    seed: int,
    formula: str,
    scores: Scores,
    device: torch.device,
    checkpoint: Checkpoint | None,
) -> Iterator[Rung]:
    """Pre-train a model, and yield its rungs; the images are gone when it is done."""
    images, labels = _drawn(formula, ranges, protocol, seed, scores)
    training = engine.Training(
        model,
        images,
        labels,
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


def _drawn(
    formula: str, ranges: Mapping[str, Range], protocol: Protocol, seed: int, scores: Scores
) -> tuple[Source, NDArray[np.int64]]:
    """Return the images and labels to pre-train on, and measure how varied they are."""
    with _timed(scores, "render"):
        images, labels, scores.dataset = _proxy(formula, ranges, protocol, seed)
    with _timed(scores, "variety"):
        sample = measures.subsample(labels, seed=seed)
        shown = downstream.grey(images[sample])
        scores.variety = measures.variety(shown, labels[sample], seed=seed)
        scores.remarks += measures.remarks(shown, labels[sample], scores.variety)
    return images, labels


def check(protocol: Protocol) -> None:
    """Try what a protocol names before anything is run: GPU, downstream tasks and model.

    Raises:
        ValueError: It wants a GPU and there is none.
        DownstreamError: A task cannot be loaded.
        ModelError: The model cannot be built.
    """
    if protocol.resources.gpus and not torch.cuda.is_available():
        raise ValueError("wants a GPU, and torch sees none here; laptop is for processors")
    if not protocol.train:
        return
    tasks = _tasks(protocol)
    channels = max(task.channels for task in tasks)
    models.build(protocol.model, classes=len(tasks[0].classes), channels=channels, seed=0)


def _protocol(protocol: ProtocolLike) -> Protocol:
    if isinstance(protocol, str):
        return load_protocol(protocol)
    if isinstance(protocol, Protocol):
        return protocol
    return validate(Protocol, protocol, "protocol")


def _ranges(ranges: Mapping[str, Any] | None) -> dict[str, Range] | None:
    if ranges is None:
        return None
    return {name: (float(low), float(high)) for name, (low, high) in ranges.items()}


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    """Let torch use a thread per CPU: with more, on busy cores, a trial takes ten times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _tasks(protocol: Protocol) -> list[downstream.Downstream]:
    size, held = protocol.model.image_size, protocol.resources
    room, threads = memory.room(held.cpus, held.gpus), held.threads
    return [
        downstream.load(task, image_size=size, threads=threads, room=room)
        for task in protocol.downstream
    ]


def _proxy(
    formula: str, ranges: Mapping[str, Range], protocol: Protocol, seed: int
) -> tuple[Source, NDArray[np.int64], str | None]:
    """Render the images to pre-train on, or read them where the protocol names a folder.

    Returns:
        Images, labels and digest. Images that do not fit into memory, that are fresh in every
        epoch or not trained on are made when their turn comes, and have no digest.
    """
    sizes, size, threads = protocol.dataset, protocol.model.image_size, protocol.resources.threads
    counts = (sizes.categories, sizes.instances)
    fresh = protocol.pretrain.instances == "fresh"
    if sizes.images is not None:
        images, labels = downstream.sample_folder(
            sizes.images, *counts, image_size=size, seed=seed, threads=threads
        )
    else:
        epochs = protocol.pretrain.epochs if fresh else 1
        plan = Plan(formula, ranges, counts[0], epochs * counts[1], sizes.canvas, size, seed)
        labels = np.repeat(np.arange(counts[0], dtype=np.int64), counts[1])

        def draw(places: NDArray[np.int64]) -> NDArray[np.uint8]:
            # The first epoch has the first instances of every category, the second the next ones.
            epoch, place = np.divmod(places, len(labels))
            category, instance = np.divmod(place, counts[1])
            return plan.draw(category * plan.instances + epoch * counts[1] + instance)

        images = Streamed(draw, (len(labels), size, size), threads)
    lazy = fresh or not protocol.train
    if lazy or images.nbytes > memory.room(protocol.resources.cpus, protocol.resources.gpus):
        return images, labels, None
    proxy = ProxyDataset.of(images.whole(), labels)
    return proxy.images, labels, proxy.digest


def _fine_tune_all(
    model: nn.Module,
    task: downstream.Downstream,
    protocol: Protocol,
    seed: int,
    scores: Scores,
    device: torch.device,
) -> list[tuple[float, float]]:
    """Fine-tune a model on every draw of a task, as often as the protocol says.

    Returns:
        Accuracy and log-likelihood of the test labels, per fine-tuning.
    """
    draws, repeats = max(1, len(task.draws)), protocol.finetune.repeats
    fine_tuned = []
    for number in range(draws * repeats):
        # The first one has the trial's own seed: alone, it is what it would be without.
        own_seed = engine.mixed(seed, 4, number) if number else seed
        start = copy.deepcopy(model)
        if protocol.finetune.weights == "shuffled":
            models.shuffle(start, seed=own_seed)
        draw = number // repeats
        fine_tuned.append(_fine_tune(start, task, draw, protocol, own_seed, scores, device))
    return fine_tuned


def _fine_tune(
    model: nn.Module,
    task: downstream.Downstream,
    draw: int,
    protocol: Protocol,
    seed: int,
    scores: Scores,
    device: torch.device,
) -> tuple[float, float]:
    """Fine-tune a model under a new head; accuracy and log-likelihood of the test labels."""
    models.replace_head(model, classes=len(task.classes), seed=seed)
    training = engine.Training(
        model,
        *task.labelled(draw),
        protocol.finetune,
        classes=len(task.classes),
        seed=seed,
        device=device,
        phase="finetune",
    )
    for _ in _train(training, scores):
        pass  # no rungs on the way
    with _timed(scores, "test"):
        images, labels = task.held_out(draw)
        # Evenly spread: a folder's images lie class by class.
        some = np.arange(0, len(labels), max(1, len(labels) // CALIBRATION_IMAGES))
        images, labels = choose(images, some), labels[some]
        temperature = probe.temperature(training.logits(images), labels) if len(labels) else 1.0
        logits = training.logits(task.test_images)
    accuracy = float(np.mean(logits.argmax(axis=1) == task.test_labels))
    return accuracy, probe.log_likelihood(logits / temperature, task.test_labels)


def _train(training: engine.Training, scores: Scores) -> Iterator[engine.Rung]:
    """Train to the end, record the epochs, and yield at the rungs."""
    # The second fine-tuning's epochs are those of phase finetune.2, and so on over the tasks.
    begun = sum(
        row["phase"].startswith(training.phase) and row["epoch"] == 1 for row in scores.epochs
    )
    phase = training.phase if begun == 0 else f"{training.phase}.{begun + 1}"
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
