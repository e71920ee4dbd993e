"""What of a pre-training transfers: arms, controls and recipes, measured side by side on one GPU.

    python -m benchmarks.transfer PLAN.json --out FOLDER [--tasks FOLDER]

A plan holds the images to render, the ensembles to pre-train and what to fine-tune; see
`benchmarks/plans/` (of `lengths` the ensembles from `long` on have not been run). Every network
that is pre-trained, and every control, is a row of `frozen.csv` per task (accuracy of frozen
features) and of `finetuned.csv` per task, draw and fine-tuning. Tasks are scikit-learn's digits,
and the sets of NAME.npz (uint8 `images` [N, H, W], `labels`, `classes`) in the folder of tasks, as
`benchmarks.real_images` makes them.
"""

import argparse
import csv
import dataclasses
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks import ensemble
from benchmarks.ensemble import Group, Shape, Weights
from explorer.images import Plan
from explorer.training import downstream, models, tasks
from explorer.training.recipe import Augmentation, FineTune, Model, Pretrain, Task

SIDE = 32
CALIBRATION = 500
T0 = time.perf_counter()


def say(*words: object) -> None:
    """Print with the seconds since the start."""
    print(f"{time.perf_counter() - T0:7.1f}", *words, flush=True)


class Images:
    """Pre-training images, rendered in the background in the order in which they are named."""

    def __init__(self, wanted: Sequence[Mapping[str, Any]], workers: int) -> None:
        self.ready: dict[str, NDArray[np.uint8]] = {}
        self.events = {item["name"]: threading.Event() for item in wanted}
        self.wanted = wanted
        self.workers = workers
        self.seconds: dict[str, float] = {}
        self.error: BaseException | None = None
        threading.Thread(target=self._render, daemon=True).start()

    def _render(self) -> None:
        try:
            for item in self.wanted:
                began = time.perf_counter()
                plan = Plan(
                    item["family"], item.get("ranges"), item["categories"], item["instances"],
                    item.get("canvas", 256), SIDE, item["seed"], self.workers,
                )  # fmt: skip
                images = plan.dataset().images.reshape(
                    item["categories"] * item["instances"], 1, SIDE, SIDE
                )
                self.ready[item["name"]] = images
                self.seconds[item["name"]] = time.perf_counter() - began
                self.events[item["name"]].set()
            say("all rendered")
        except BaseException as error:
            self.error = error
            for event in self.events.values():
                event.set()
            raise

    def get(self, name: str) -> NDArray[np.uint8]:
        """Wait for a set and return it, uint8 [N, 1, S, S]; `-NAME` is its negative."""
        bare = name.removeprefix("-")
        self.events[bare].wait()
        if self.error:
            raise RuntimeError("rendering failed") from self.error
        images = self.ready[bare]
        return 255 - images if name.startswith("-") else images


@dataclass
class Arm:
    """Networks that are not told apart but by their seed."""

    name: str
    seed: int
    images: str | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)
    initialisation: Literal["timm", "fan_in"] = "timm"
    normalise: Any = (0.5, 0.5)
    categories: int = 0
    instances: int | None = None


@dataclass
class Networks:
    """Trained or fresh networks, and the scale of each one's input."""

    arms: list[Arm]
    w: Weights
    mean: Tensor | None
    std: Tensor | None
    recipe: str
    seconds: float

    def scale(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation for downstream images, float [M, 1, 1, 1, 1]."""
        measured = images.float().mean(), images.float().std().clamp(min=1)
        rows = [
            [float(v) for v in measured]
            if arm.normalise == "each_set"
            else [255 * v for v in arm.normalise]
            for arm in self.arms
        ]
        both = torch.tensor(rows, device=images.device).view(-1, 2, 1, 1, 1, 1)
        return both[:, 0], both[:, 1]


class Study:
    """One run of the script."""

    def __init__(self, plan: Mapping[str, Any], out: Path, folder: Path, device: str) -> None:
        self.plan = plan
        self.out = out
        self.device = torch.device(device)
        self.dtype = torch.bfloat16 if device == "cuda" else torch.float32
        self.name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
        self.shape = Shape(8, 12, 3, self.dtype)
        self.most = int(plan.get("most", 256))
        for file in folder.glob("*.npz"):
            tasks.BUILT_IN[file.stem] = tasks.Kind(_reader(file), path="refused", split="share")
        self.tasks = {item["name"]: _task(item, folder) for item in plan["tasks"]}
        say("tasks", {n: (len(t.train_labels), len(t.test_labels)) for n, t in self.tasks.items()})
        self.images = Images(plan["images"], int(plan.get("workers", 16)))
        self.files = {
            name: (out / f"{name}.csv").open("w", newline="")
            for name in ("frozen", "finetuned", "pretrained")
        }
        self.writers: dict[str, Any] = {}

    def write(self, name: str, **row: Any) -> None:
        """Append a row to a file of results."""
        if name not in self.writers:
            self.writers[name] = csv.DictWriter(self.files[name], list(row))
            self.writers[name].writeheader()
        self.writers[name].writerow(row)
        self.files[name].flush()

    def run(self) -> None:
        """Run all ensembles of the plan."""
        for item in self.plan["ensembles"]:
            if "limit" in item and time.perf_counter() - T0 > item["limit"]:
                say("skipped for want of time:", item["name"])
                continue
            try:
                networks = self.pretrain(item)
                self.frozen(networks, item)
                for tuning in item.get("finetune", []):
                    self.finetune(networks, tuning, item)
            except torch.OutOfMemoryError as error:
                say("out of memory:", item["name"], str(error)[:200])
            torch.cuda.empty_cache()

    def pretrain(self, item: Mapping[str, Any]) -> Networks:  # noqa: C901 - a script, in order
        """Build the networks of an ensemble, and pre-train them where it has images."""
        arms: list[Arm] = []
        groups: list[Group] = []
        for entry in item["arms"]:
            augmentation = Augmentation(**entry.get("augmentation", {}))
            own = [
                Arm(
                    entry["name"], seed,
                    f"{entry['images']}/{seed}" if "images" in entry else None,
                    augmentation, entry.get("initialisation", "timm"),
                    entry.get("normalise", (0.5, 0.5)),
                    entry.get("categories", item.get("categories", 2)), entry.get("instances"),
                )
                for seed in entry.get("seeds", item["seeds"])
            ]  # fmt: skip
            if groups and groups[-1].recipe == augmentation:
                groups[-1].count += len(own)
            else:
                groups.append(Group(len(arms), len(own), augmentation))
            arms += own
        recipe = Pretrain(**item["pretrain"]) if "pretrain" in item else None
        categories = int(item.get("categories", 2))
        w = ensemble.stack(
            [
                models.build(
                    Model(image_size=SIDE, patch_size=8, initialisation=arm.initialisation),
                    classes=categories, channels=1, seed=arm.seed,
                )
                for arm in arms
            ],
            self.device,
        )  # fmt: skip
        networks = Networks(arms, w, None, None, item["name"], 0.0)
        if recipe is None:
            return networks
        images = torch.stack([self._part(arm) for arm in arms]).to(self.device)
        each = torch.arange(images.shape[1], device=self.device)
        labels = torch.stack([each * arm.categories // images.shape[1] for arm in arms])
        rows = []
        for number, arm in enumerate(arms):
            values = images[number].flatten()[::7].float()
            rows.append(
                [float(values.mean()), float(values.std().clamp(min=1))]
                if arm.normalise == "each_set"
                else [255 * v for v in arm.normalise]
            )
        both = torch.tensor(rows, device=self.device).view(-1, 2, 1, 1, 1, 1)
        say(item["name"], "starts:", len(arms), "networks,", images.shape[1], "images")
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        for epoch, losses in ensemble.train(
            w, self.shape, images, labels, recipe,
            mean=both[:, 0], std=both[:, 1], classes=categories, seed=1, groups=groups,
            drop=recipe.patch_drop,
        ):  # fmt: skip
            last = losses
            if recipe.epochs > 1:
                say(item["name"], "epoch", epoch, [round(float(v), 3) for v in losses[::3]])
            if time.perf_counter() - T0 > item.get("stop_at", float("inf")):
                say("stopped early:", item["name"], "after epoch", epoch + 1)
                break
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        networks.seconds = time.perf_counter() - began
        seen = images.shape[1] * (epoch + 1)
        rate = len(arms) * seen / networks.seconds
        say(item["name"], f"{networks.seconds:.1f} s, {rate:.0f} images/s")
        for arm, value in zip(arms, last.tolist(), strict=True):
            changes = json.dumps(arm.augmentation.model_dump(exclude_defaults=True))
            self.write(
                "pretrained", ensemble=item["name"], arm=arm.name, seed=arm.seed, images_seen=seen,
                categories=arm.categories,
                instances=arm.instances or images.shape[1] // arm.categories,
                batch=recipe.batch_size, patch_drop=recipe.patch_drop,
                initialisation=arm.initialisation, normalise=arm.normalise,
                augmentation=changes, loss=round(value, 4),
                seconds=round(networks.seconds, 1), networks=len(arms), device=self.name,
            )  # fmt: skip
        return networks

    def _part(self, arm: Arm) -> Tensor:
        """Return the images of an arm, uint8 [N, 1, S, S], category by category.

        Where it has fewer instances, each is there as often as makes up for that.
        """
        images = torch.from_numpy(self.images.get(arm.images or ""))
        if arm.instances is None:
            return images
        by_category = images.view(arm.categories, -1, *images.shape[1:])
        times = by_category.shape[1] // arm.instances
        return by_category[:, : arm.instances].repeat(1, times, 1, 1, 1).flatten(0, 1)

    def frozen(self, networks: Networks, item: Mapping[str, Any]) -> None:
        """Score frozen features on every task."""
        began = time.perf_counter()
        for name in item.get("frozen", list(self.tasks)):
            task = self.tasks[name]
            train = torch.from_numpy(task.train_images)[None].to(self.device)
            test = torch.from_numpy(task.test_images)[None].to(self.device)
            labels = torch.from_numpy(task.train_labels).to(self.device)
            answers = torch.from_numpy(task.test_labels).to(self.device)
            mean, std = networks.scale(train)

            def features(x: Tensor) -> Tensor:
                tokens = self.shape.tokens(networks.w, x)
                return torch.cat([tokens[:, :, 0], tokens[:, :, 1:].mean(dim=2)], dim=2)

            piece = max(32, 16_384 // len(networks.arms))
            x, q = (ensemble.apply(features, i, mean, std, piece) for i in (train, test))
            for number, arm in enumerate(networks.arms):
                near = _neighbours(x[number], labels, q[number], len(task.classes))
                line = _ridge(x[number].double(), labels, q[number].double(), len(task.classes))
                self.write(
                    "frozen", ensemble=item["name"], arm=arm.name, seed=arm.seed, task=name,
                    ridge=round(float((line == answers).float().mean()), 4),
                    neighbours=round(float((near == answers).float().mean()), 4),
                )  # fmt: skip
        say(item["name"], f"frozen {time.perf_counter() - began:.1f} s")

    def finetune(
        self, networks: Networks, tuning: Mapping[str, Any], item: Mapping[str, Any]
    ) -> None:
        """Fine-tune every network on every draw of the tasks, in ensembles of at most `most`."""
        began = time.perf_counter()
        recipe = FineTune(**tuning["recipe"])
        wanted = [
            number for number, arm in enumerate(networks.arms)
            if arm.name in tuning.get("arms", [arm.name])
        ]  # fmt: skip
        for name in tuning.get("tasks", list(self.tasks)):
            task = self.tasks[name]
            pairs = [
                (number, draw, rate)
                for number in wanted
                for draw in range(len(task.draws))
                for rate in tuning.get("rates", [1.0])
            ]
            mean, std = networks.scale(torch.from_numpy(task.train_images).to(self.device))
            for first in range(0, len(pairs), self.most):
                part = pairs[first : first + self.most]
                own = torch.tensor([number for number, _, _ in part], device=self.device)
                rates = torch.tensor([rate for _, _, rate in part], device=self.device)
                w = {n: p.detach()[own].clone() for n, p in networks.w.items()}
                generator = torch.Generator(self.device).manual_seed(17 + first)
                if recipe.weights == "shuffled":
                    for parameter in w.values():
                        flat = parameter.view(len(part), -1)
                        order = torch.rand(
                            flat.shape, generator=generator, device=self.device
                        ).argsort(dim=1)
                        flat.copy_(flat.gather(1, order))
                classes = len(task.classes)
                width = w["head.weight"].shape[2]
                head = torch.randn(
                    len(part), classes, width, generator=generator, device=self.device
                ).clamp(-2, 2)
                w["head.weight"] = 0.02 * head
                w["head.bias"] = torch.zeros(len(part), classes, device=self.device)
                chosen = np.stack([task.draws[draw] for _, draw, _ in part])
                images = torch.from_numpy(task.train_images[chosen]).to(self.device)
                labels = torch.from_numpy(task.train_labels[chosen]).to(self.device)
                for _ in ensemble.train(
                    w, self.shape, images, labels, recipe, mean=mean[own], std=std[own],
                    classes=classes, seed=100 + first,
                    groups=[Group(0, len(part), recipe.augmentation)],
                    rates=rates if "rates" in tuning else None,
                ):  # fmt: skip
                    pass

                def logits(x: Tensor, w: Weights = w) -> Tensor:
                    return self.shape.logits(w, self.shape.tokens(w, x))

                test = torch.from_numpy(task.test_images)[None].to(self.device)
                some = np.arange(len(task.train_labels))[:CALIBRATION]
                rest = torch.from_numpy(task.train_images[some])[None].to(self.device)
                tested, kept = (
                    ensemble.apply(logits, i, mean[own], std[own], max(32, 16_384 // len(part)))
                    for i in (test, rest)
                )
                rest_labels = torch.from_numpy(task.train_labels[:CALIBRATION]).to(self.device)
                answers = torch.from_numpy(task.test_labels).to(self.device)
                out = torch.ones(len(part), kept.shape[1], dtype=torch.bool)
                for row, indices in enumerate(chosen):
                    out[row, indices[indices < kept.shape[1]]] = False
                likelihoods = _likelihoods(tested, answers, kept, rest_labels, out.to(self.device))
                hits = (tested.argmax(dim=2) == answers).float().mean(dim=1)
                for row, (number, draw, rate) in enumerate(part):
                    arm = networks.arms[number]
                    self.write(
                        "finetuned", ensemble=item["name"], arm=arm.name, seed=arm.seed,
                        tuning=tuning["name"], rate=rate * recipe.learning_rate, task=name,
                        draw=draw,
                        accuracy=round(float(hits[row]), 4),
                        log_likelihood=round(float(likelihoods[row]), 4),
                    )  # fmt: skip
        say(item["name"], tuning["name"], f"{time.perf_counter() - began:.1f} s")


def _likelihoods(
    tested: Tensor, answers: Tensor, kept: Tensor, labels: Tensor, out: Tensor
) -> Tensor:
    """Log-likelihood per network [M], at the temperature that suits left-out training images."""
    temperatures = torch.logspace(-1, 1.5, 26, device=tested.device)
    scores = []
    for temperature in temperatures:
        logs = (kept / temperature).log_softmax(dim=2)
        values = logs.gather(2, labels.view(1, -1, 1).expand(len(kept), -1, 1))[..., 0]
        scores.append((values * out).sum(dim=1) / out.sum(dim=1).clamp(min=1))
    best = temperatures[torch.stack(scores).argmax(dim=0)]
    logs = (tested / best[:, None, None]).log_softmax(dim=2)
    chosen: Tensor = logs.gather(2, answers.view(1, -1, 1).expand(len(tested), -1, 1))
    return chosen[..., 0].mean(dim=1)


def _ridge(x: Tensor, labels: Tensor, queries: Tensor, classes: int) -> Tensor:
    """As `explorer.training.probe.ridge`, on the device."""
    mean = x.mean(dim=0)
    x, queries = x - mean, queries - mean
    y = torch.nn.functional.one_hot(labels, classes).double()
    penalty = 0.025 * len(x) * torch.eye(x.shape[1], device=x.device, dtype=x.dtype)
    fitted = torch.linalg.solve(x.T @ x + penalty, x.T @ (y - y.mean(dim=0)))
    chosen: Tensor = (y.mean(dim=0) + queries @ fitted).argmax(dim=1)
    return chosen


def _neighbours(x: Tensor, labels: Tensor, queries: Tensor, classes: int) -> Tensor:
    """As `explorer.training.probe.neighbours`, on the device."""
    mean = x.mean(dim=0)
    x, queries = (torch.nn.functional.normalize(v - mean, dim=1) for v in (x, queries))
    cosines, near = (queries @ x.T).topk(min(10, len(x)), dim=1)
    votes = torch.zeros(len(queries), classes, device=x.device)
    votes.scatter_add_(1, labels[near], (1 + cosines) / 2)
    chosen: Tensor = votes.argmax(dim=1)
    return chosen


def _task(item: Mapping[str, Any], folder: Path) -> downstream.Downstream:
    """Load a task, or what an earlier run has kept of it."""
    kept = folder / "kept" / f"{item['name']}.npz"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        task = downstream.load(Task(**item["task"]), image_size=SIDE)
        values = dataclasses.asdict(task)
        np.savez_compressed(kept, task=json.dumps(item["task"]), **values)
    content = dict(np.load(kept))
    if json.loads(str(content.pop("task"))) != item["task"]:
        raise ValueError(f"{kept} is of another task")
    content["name"] = str(content["name"])
    content["classes"], content["draws"] = tuple(content["classes"]), tuple(content["draws"])
    return downstream.Downstream(**content)


def _reader(file: Path) -> Any:
    def load(_task: Task) -> tasks.Source:
        content = np.load(file)
        images = content["images"]
        split = tasks.Split(
            content["labels"].astype(np.int64), lambda index: Image.fromarray(images[index])
        )
        return tasks.Source(tuple(map(str, content["classes"])), split, channels=1)

    return load


def main() -> None:
    """Run a plan."""
    parser = argparse.ArgumentParser()
    parser.add_argument("plan", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", type=Path, default=Path("tasks"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    study = Study(json.loads(chosen.plan.read_text()), chosen.out, chosen.tasks, chosen.device)
    study.run()
    for file in study.files.values():
        file.close()
    say("rendering", {n: round(s, 1) for n, s in study.images.seconds.items()})
    say("done")


if __name__ == "__main__":
    main()
