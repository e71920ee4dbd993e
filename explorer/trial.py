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
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from explorer import measures
from explorer.identity import computed_by, pretraining_key, result_key
from explorer.images import Plan, ProxyDataset
from explorer.scores import Rung, Scores
from explorer.study import Protocol, Range, load_protocol
from explorer.study.reading import validate
from explorer.training import arithmetic, downstream, engine, memory, models, probe
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
    weights: Path | None = None,
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
        checkpoints: A folder in which training is saved at every rung and every ten minutes. A
            trial that was stopped goes on from there, and ends with the scores that it would have
            had.
        weights: A folder that the pre-trained network is written to, as timm loads it:
            ``timm.create_model("local-dir:FOLDER", pretrained=True)``.

    Returns:
        The scores.

    Raises:
        InputError: The protocol is missing or wrong.
        RangeError: The formula cannot draw from these ranges.
        DownstreamError: A downstream task or the folder of images cannot be loaded.
        TrainingDiverged: A loss is no longer finite.
    """
    steps = stepwise(
        ranges, protocol, seed=seed, formula=formula, checkpoints=checkpoints, weights=weights
    )
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
    weights: Path | None = None,
) -> Generator[Rung, None, Scores]:
    """Do as :func:`evaluate`, a rung per step: yields every rung and returns the scores.

    It computes in the thread that steps through it, which must be one and the same.
    """
    protocol = _protocol(protocol)
    device = torch.device("cuda" if protocol.resources.gpus else "cpu")
    trial = _Trial(_ranges(ranges), protocol, seed, formula, device, checkpoints, weights)
    with _threads(protocol.resources.threads):
        return (yield from trial.run())


class _Trial:
    """One trial under way: its arguments, and its scores so far."""

    def __init__(
        self,
        ranges: Mapping[str, Range] | None,
        protocol: Protocol,
        seed: int,
        formula: str,
        device: torch.device,
        checkpoints: Path | None,
        weights: Path | None,
    ) -> None:
        self.protocol = protocol = protocol if ranges is not None else protocol.from_scratch
        self.ranges, self.seed, self.formula = ranges, seed, formula
        self.device, self.checkpoints, self.weights = device, checkpoints, weights
        key = result_key(ranges, protocol, seed, formula=formula)
        self.scores = Scores(host=socket.gethostname(), device=_name(device), result_key=key)

    def run(self) -> Generator[Rung, None, Scores]:
        protocol, scores = self.protocol, self.scores
        with scores.timed("total"):
            if not protocol.train:
                if self.ranges is not None:
                    self._images()
                return scores
            tasks = _tasks(protocol, protocol.model.image_size)
            scores.remarks = [f"{task.name}: {remark}" for task in tasks for remark in task.remarks]
            channels = max(task.channels for task in tasks)
            classes = protocol.dataset.categories
            model = models.build(protocol.model, classes=classes, channels=channels, seed=self.seed)
            files = [self._checkpoint(scores.result_key)]
            if self.ranges is not None:
                what = (self.ranges, protocol, self.seed)
                key = pretraining_key(*what, formula=self.formula, channels=channels)
                files.append(self._checkpoint(key))
                yield from self._pretrain(model, tasks, files[-1])
            with scores.timed("companions"):
                frozen = [self._companions(model, task) for task in tasks]
            if protocol.finetune.image_size is not None:
                models.resize(model, protocol.finetune.image_size)
                tasks = _tasks(protocol, protocol.finetune.image_size)
            fine_tuned = self._fine_tune(model, tasks, files[0])
            for task, companions, values in zip(tasks, frozen, fine_tuned, strict=True):
                accuracies, likelihoods = zip(*values, strict=True)
                scores.repeats[task.name] = list(accuracies)
                scores.accuracies[task.name] = float(np.mean(accuracies))
                companions["log_likelihood"] = float(np.mean(likelihoods))
            scores.companions = {
                name: float(np.mean([companions[name] for companions in frozen]))
                for name in frozen[0]
            }
            scores.accuracy = float(np.mean(list(scores.accuracies.values())))
        for file in files:
            file.discard()
        return scores

    def _pretrain(
        self, model: nn.Module, tasks: Sequence[downstream.Downstream], file: Checkpoint
    ) -> Iterator[Rung]:
        """Pre-train a model, and yield its rungs; the images are gone when it is done."""
        protocol, seed, scores = self.protocol, self.seed, self.scores
        images, labels = self._images()
        training = engine.Training(
            model,
            images,
            labels,
            protocol.pretrain,
            classes=protocol.dataset.categories,
            seed=seed,
            device=self.device,
            phase="pretrain",
        )
        saved = self._restore(training, file.load(scores.remarks))
        # What was probed on other tasks says nothing here.
        tasks_of_rungs = [task.model_dump_json() for task in protocol.downstream]
        same = saved.get("tasks") == tasks_of_rungs
        rungs = [Rung(**rung) for rung in saved["rungs"]] if same else []
        yield from rungs

        def content() -> dict[str, Any]:
            reached = [dataclasses.asdict(rung) for rung in rungs]
            return {**self._state(training), "rungs": reached, "tasks": tasks_of_rungs}

        for event in self._train(training):
            if isinstance(event, engine.Rung):
                with scores.timed("probe"):
                    values = [
                        probe.accuracy(model, task, seed=seed, device=self.device) for task in tasks
                    ]
                spent = scores.spent + event.seconds
                rungs.append(Rung(event.images_seen, float(np.mean(values)), event.loss, spent))
            file.save(content)
            if isinstance(event, engine.Rung):
                yield rungs[-1]
        if self.weights is not None:
            models.save(model, protocol.model, training.normalise, self.weights)

    def _images(self) -> tuple[Source, NDArray[np.int64]]:
        """Return the images and labels to pre-train on, and measure how varied they are."""
        what, scores = (self.formula, self.ranges or {}, self.protocol, self.seed), self.scores
        with scores.timed("render"):
            images, labels, scores.dataset = _proxy(*what)
        with scores.timed("variety"):
            sample = measures.subsample(labels, seed=self.seed)
            shown = downstream.grey(images[sample])
            scores.variety = measures.variety(shown, labels[sample], seed=self.seed)
            scores.remarks += measures.remarks(shown, labels[sample], scores.variety)
        return images, labels

    def _companions(self, model: nn.Module, task: downstream.Downstream) -> dict[str, float]:
        return probe.companions(model, task, seed=self.seed, device=self.device)

    def _fine_tune(
        self, model: nn.Module, tasks: Sequence[downstream.Downstream], file: Checkpoint
    ) -> Iterator[list[list[float]]]:
        """Fine-tune a model on every draw of every task, as often as the protocol says.

        Yields, per task, accuracy and log-likelihood of the test labels of each fine-tuning.
        """
        saved = file.load(self.scores.remarks) or {}
        done: list[list[float]] = saved.get("done", [])
        left = iter(done[:])
        for task in tasks:
            draws, repeats = max(1, len(task.draws)), self.protocol.finetune.repeats
            values = []
            for number in range(draws * repeats):
                if (known := next(left, None)) is None:
                    training = self._begin(model, task, number, number // repeats)
                    self._restore(training, saved)
                    saved = {}

                    def content(training: engine.Training = training) -> dict[str, Any]:
                        return {**self._state(training), "done": done}

                    for _ in self._train(training):
                        file.save(content)
                    done.append(known := self._test(training, task, number // repeats))
                values.append(known)
            yield values

    def _begin(
        self, model: nn.Module, task: downstream.Downstream, number: int, draw: int
    ) -> engine.Training:
        """Begin a fine-tuning of a copy of the model under a new head."""
        # The first one has the trial's own seed: alone, it is what it would be without.
        seed = engine.mixed(self.seed, 4, number) if number else self.seed
        start = copy.deepcopy(model)
        if self.protocol.finetune.weights == "shuffled":
            models.shuffle(start, seed=seed)
        models.replace_head(start, classes=len(task.classes), seed=seed)
        return engine.Training(
            start,
            *task.labelled(draw),
            self.protocol.finetune,
            classes=len(task.classes),
            seed=seed,
            device=self.device,
            phase="finetune",
        )

    def _test(
        self, training: engine.Training, task: downstream.Downstream, draw: int
    ) -> list[float]:
        """Return accuracy and log-likelihood of the test labels."""
        with self.scores.timed("test"):
            images, labels = task.held_out(draw)
            # Evenly spread: a folder's images lie class by class.
            some = np.arange(0, len(labels), max(1, len(labels) // CALIBRATION_IMAGES))
            images, labels = choose(images, some), labels[some]
            temperature = probe.temperature(training.logits(images), labels) if len(labels) else 1.0
            logits = training.logits(task.test_images)
        accuracy = float(np.mean(logits.argmax(axis=1) == task.test_labels))
        return [accuracy, probe.log_likelihood(logits / temperature, task.test_labels)]

    def _train(self, training: engine.Training) -> Iterator[engine.Rung | engine.Due]:
        """Train to the end, record the epochs, and yield when there is something to save."""
        epochs = self.scores.epochs
        # The second fine-tuning's epochs are those of phase finetune.2, and so on over the tasks.
        begun = sum(r["phase"].startswith(training.phase) and r["epoch"] == 1 for r in epochs)
        begun += training.step < training.epoch_steps
        phase = training.phase if begun <= 1 else f"{training.phase}.{begun}"
        for event in training.run():
            if not isinstance(event, engine.Epoch):
                yield event
                continue
            epochs.append({"phase": phase, **dataclasses.asdict(event)})
            self.scores.spend(training.phase, event.seconds)
            if training.phase == "pretrain":
                self.scores.pretrain_loss = event.loss

    def _checkpoint(self, key: str) -> Checkpoint:
        return Checkpoint(self.checkpoints, key, computed_by(self.protocol))

    def _state(self, training: engine.Training) -> dict[str, Any]:
        """Return what a phase has come to, to be saved."""
        epochs, seconds = self.scores.epochs, self.scores.seconds
        return {
            "training": training.state(),
            "epochs": [row for row in epochs if row["phase"].startswith(training.phase)],
            "seconds": {name: seconds.get(name, 0.0) for name in _SPENT[training.phase]},
        }

    def _restore(self, training: engine.Training, saved: dict[str, Any] | None) -> dict[str, Any]:
        """Go on where a phase was stopped, if it was; returns what it had saved."""
        if not saved:
            return {}
        training.restore(saved["training"])
        self.scores.epochs += saved["epochs"]
        if training.phase == "pretrain" and saved["epochs"]:
            self.scores.pretrain_loss = saved["epochs"][-1]["loss"]
        for name, seconds in saved["seconds"].items():
            self.scores.spend(name, seconds)
            self.scores.spend("total", seconds)
        return saved


_SPENT = {
    "pretrain": ("render", "variety", "pretrain", "probe"),
    "finetune": ("companions", "finetune", "test"),
}
"""What a phase spends its time on: of a trial that goes on, this was spent before."""


def discard(
    ranges: Mapping[str, Range] | None,
    protocol: Protocol,
    seed: int,
    *,
    formula: str,
    checkpoints: Path,
) -> None:
    """Delete what a trial has saved; it will not go on."""
    keys = [result_key(ranges, protocol, seed, formula=formula)]
    if ranges is not None:
        what = (ranges, protocol, seed)
        keys += [pretraining_key(*what, formula=formula, channels=n) for n in (1, 3)]
    for key in keys:
        Checkpoint(checkpoints, key, {}).discard()


def check(protocol: Protocol, *, gpus: bool = True) -> None:
    """Try what a protocol names before anything is run: GPUs, tasks, model, memory.

    Of a task's images one of each split is decoded.

    Args:
        protocol: The protocol.
        gpus: Whether to look at the GPUs of this machine; else they are taken to be there.

    Raises:
        ValueError: It wants GPUs, arithmetic or memory that are not there.
        DownstreamError: A task cannot be loaded.
        ModelError: The model cannot be built.
    """
    wanted, size = protocol.resources.gpus, protocol.model.image_size
    if wanted > 1:
        raise ValueError(f"resources.gpus: {wanted:g}: a trial runs on one GPU, or shares one")
    if gpus and wanted:
        arithmetic.check_gpus(wanted, (protocol.pretrain, protocol.finetune))
    if not protocol.train:
        return
    tasks = [downstream.load(task, image_size=size, room=0) for task in protocol.downstream]
    for task in tasks:
        for images in (task.train_images, task.test_images):
            _ = images[np.zeros(1, np.int64)]
    channels = max(task.channels for task in tasks)
    classes = max(protocol.dataset.categories, *(len(task.classes) for task in tasks))
    model = models.build(protocol.model, classes=classes, channels=channels, seed=0)
    sets = {
        "pretrain": protocol.dataset.categories * protocol.dataset.instances,
        "finetune": max(len(task.labelled(0)[1]) for task in tasks),
    }
    for name, count in sets.items():
        recipe = protocol.pretrain if name == "pretrain" else protocol.finetune
        on_device, on_host = memory.least(model, recipe, count, channels * size**2)
        memory.check(name, on_host + (0 if wanted else on_device), memory.host(), "this machine")
        if gpus and wanted:
            memory.check(name, on_device, memory.device() * min(1.0, wanted), "the GPU")


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


def _tasks(protocol: Protocol, size: int) -> list[downstream.Downstream]:
    held = protocol.resources
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


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
