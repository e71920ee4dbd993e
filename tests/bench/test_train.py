"""What the bench measures and says; not how fast this machine is."""

import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from explorer import study as config
from explorer.bench import compiling, ways
from explorer.bench import train as room
from explorer.cli import main
from explorer.errors import InputError
from explorer.training.recipe import Augmentation, FineTune

CPU = torch.device("cpu")
WAYS = ["timm", "timm, small files", "ceiling", "ours, adamw", "ours, muon"]
COMPILED = ["ours, adamw, compiled", "ours, muon, compiled"]
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A folder of one's own for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_every_way_to_train_is_measured_and_nothing_is_left(scratch, compiling):
    folders, before = [], os.environ.get("TORCHINDUCTOR_CACHE_DIR")

    def compile_slowly(graph, _):
        folders.append(os.environ["TORCHINDUCTOR_CACHE_DIR"])
        time.sleep(0.3)
        return graph

    compiling(compile_slowly)
    cores, threads, done = os.sched_getaffinity(0), torch.get_num_threads(), []
    found = room.measure("smoke", rounds=2, steps=2, progress=done.append)
    assert sum(done) == room.count(2)
    assert [speed.name for speed in found.speeds] == WAYS + COMPILED
    for speed in found.speeds:
        assert speed.wall > 0
        assert speed.cpu > 0
        assert speed.ratios[speed.name if speed.name in room._BASES else "timm"] > 0
    assert [found.speeds[i].ratios[name] for i, name in enumerate(WAYS[:3])] == [1, 1, 1]
    assert (found.device, found.cores, found.batch, found.images) == ("cpu", 1, 32, 64)
    assert (found.optimiser, found.pretrained) == ("muon", 256)
    assert found.compiling.first > 0.2
    assert found.compiling.later < 0.2
    assert all(folder.startswith(str(scratch)) for folder in folders)
    assert os.environ.get("TORCHINDUCTOR_CACHE_DIR") == before
    assert list(found.parts) == list(ways.PARTS)
    assert all(spent > 0 for spent in found.parts.values())
    assert os.sched_getaffinity(0) == cores
    assert torch.get_num_threads() == threads
    assert multiprocessing.active_children() == []
    assert list(scratch.iterdir()) == []


def test_where_nothing_can_be_compiled_the_rest_is_measured(compiling, caplog):
    def lack(_graph, _inputs):
        raise RuntimeError("no compiler here")

    compiling(lack)
    found = room.measure("smoke", rounds=1, steps=1)
    assert [speed.name for speed in found.speeds] == WAYS
    assert found.compiling is None
    assert "no compiler here" in caplog.text
    assert "nothing can be compiled here" in shown(found)


def test_an_interrupt_ends_the_workers_and_leaves_no_files(scratch):
    def interrupt(_):
        if any(scratch.iterdir()) and multiprocessing.active_children():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        room.measure("smoke", rounds=2, steps=1, progress=interrupt)
    assert multiprocessing.active_children() == []
    assert list(scratch.iterdir()) == []


@pytest.fixture
def job(tmp_path):
    """The smoke protocol on a processor, two epochs of one step."""
    return ways.Job(config.load_protocol("smoke"), CPU, 1, 2, 1, tmp_path)


def test_all_ways_have_the_same_model_and_images(job):
    plain = ways.Timm(job, job.large)
    training = job.training("adamw")
    sizes = {name: p.shape for name, p in training.model.named_parameters()}
    assert sizes == {name: p.shape for name, p in plain.model.named_parameters()}
    with Image.open(job.large / "00000" / "00000.png") as image:
        assert image.size == (64, 64)
    with Image.open(job.small / "00000" / "00000.png") as image:
        assert image.size == (16, 16)
        assert np.array_equal(np.asarray(image), job.proxy.images[0])
    images, labels = next(iter(plain.loader))
    assert images.shape == (32, 1, 16, 16)
    assert sorted(labels.tolist()) == job.proxy.labels.tolist()
    assert ways.Ceiling(job).images.shape == images.shape
    plain.close()


def test_all_ways_but_the_ceiling_train(job):
    plain = ways.Timm(job, job.small)
    ceiling, ours = ways.Ceiling(job), ways.Ours(job, "adamw")
    weights = [w.model for w in (plain, ceiling.training)]
    before = [[p.detach().clone() for p in model.parameters()] for model in weights]
    assert [way.round() for way in (plain, ceiling, ours)] == [32, 32, 32]
    moved = [
        any(not torch.equal(a, b) for a, b in zip(old, model.parameters(), strict=True))
        for old, model in zip(before, weights, strict=True)
    ]
    assert moved == [True, False]
    assert all(p.grad is not None for p in ceiling.training.model.parameters())
    plain.close()


def test_with_another_optimiser_the_recipe_is_the_same_but_for_it(job):
    muon, adamw = job.training("muon").recipe, job.training("adamw").recipe
    assert muon == job.recipe
    changed = {"optimiser": "adamw", "matrix_learning_rate": None}
    assert adamw == muon.model_copy(update=changed)


def test_torchvision_s_transforms_follow_the_recipe(job):
    full = Augmentation(crop=(0.2, 1), flip=True, shift=0.1, erase=0.25)
    named = [type(step).__name__ for step in ways._transforms(full, job).transforms]
    assert named == [
        "RandomResizedCrop",
        "RandomHorizontalFlip",
        "RandomAffine",
        "ToTensor",
        "Normalize",
        "RandomErasing",
    ]
    plain = ways._transforms(Augmentation(), job)
    assert [type(step).__name__ for step in plain.transforms] == ["Resize", "ToTensor", "Normalize"]
    assert plain(Image.new("L", (64, 64))).shape == (1, 16, 16)


def test_labels_are_mixed_where_the_recipe_mixes_them():
    recipe = FineTune(epochs=1, batch_size=4, learning_rate=1e-3, label_smoothing=0.1)
    mixup, loss = ways._mixing(recipe, 5)
    assert mixup is None
    assert loss.label_smoothing == 0.1
    mixed = recipe.model_copy(update={"augmentation": Augmentation(cutmix=1)})
    mixup, loss = ways._mixing(mixed, 5)
    _, targets = mixup(torch.randn(4, 1, 8, 8), torch.arange(4))
    assert targets.shape == (4, 5)
    assert loss(torch.zeros(4, 5), targets) > 0


def test_medians_are_taken_round_by_round():
    def spent(*walls):
        return dict(zip(WAYS[:4], (ways.Spent(8, wall, 2 * wall) for wall in walls), strict=True))

    speeds = room._speeds([spent(8, 4, 2, 1), spent(16, 8, 8, 8), spent(8, 8, 4, 4)])
    assert [speed.wall for speed in speeds] == [1, 1, 2, 2]
    assert [speed.cpu for speed in speeds] == [0.5, 0.5, 1, 1]
    assert speeds[3].ratios == {"timm": 2, "timm, small files": 2, "ceiling": 1}


def test_processor_time_of_workers_counts():
    before = ways._cpu_time()
    context = multiprocessing.get_context("fork")
    ready, end = context.Event(), context.Event()
    worker = context.Process(target=work, args=(ready, end))
    worker.start()
    ready.wait(60)
    assert ways._cpu_time() - before > 0.25
    end.set()
    worker.join()


def work(ready, end):
    while time.process_time() < 0.3:
        pass
    ready.set()
    end.wait(60)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "labtop"}, "did you mean 'laptop'"),
        ({"name": "smoke", "cores": 4096}, "--cores: 4096: this process may use"),
        pytest.param(
            {"name": "gpu"}, "--protocol: 'gpu': wants a GPU.*add --device cpu", marks=NO_GPU
        ),
        pytest.param(
            {"name": "smoke", "device": "cuda"}, "--device: 'cuda': torch sees no GPU", marks=NO_GPU
        ),
    ],
)
def test_what_cannot_be_measured_is_an_input_error(arguments, message, scratch):
    with pytest.raises(InputError, match=message):
        room.measure(**arguments)
    assert list(scratch.iterdir()) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_same_bench_runs_on_cuda(scratch):
    found = room.measure("smoke", rounds=1, steps=1, cores=1, device="cuda")
    assert found.device == torch.cuda.get_device_name()
    assert [speed.name for speed in found.speeds][: len(WAYS)] == WAYS
    assert list(scratch.iterdir()) == []


def shown(found: room.Figures) -> str:
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(room.screen(found))
    return console.export_text()


FOUND = room.Figures(
    protocol="laptop",
    device="cpu",
    cores=1,
    arithmetic="bfloat16",
    batch=64,
    images=512,
    rounds=5,
    speeds=(
        room.Speed("timm", 100.4, 120, {"timm": 1, "timm, small files": 0.9, "ceiling": 0.25}),
        room.Speed("ours, muon", 300, 299, {"timm": 3, "timm, small files": 2.7, "ceiling": 0.75}),
        room.Speed("ours, muon, compiled", 400, 399, dict.fromkeys(room._BASES, 4.0)),
    ),
    optimiser="muon",
    parts=dict(zip(ways.PARTS, (1.0, 150.0, 9.0, 40.0), strict=True)),
    load=0.1,
    pretrained=8192,
    compiling=compiling.Taken(first=59.2, later=0.5),
)


def test_the_screen_tells_every_figure():
    text = shown(FOUND)
    assert text.startswith(
        "laptop, cpu, one core, batches of 64; medians of 5 rounds of 512 images"
    )
    assert "after one for warm-up" in " ".join(text.split())
    rows = [line.split() for line in text.splitlines()]
    assert ["timm", "100", "120", "1.00", "0.90", "0.25"] in rows
    assert ["ours,", "muon", "300", "299", "3.00", "2.70", "0.75"] in rows
    assert ["optimiser", "40.0", "20"] in rows
    assert "bfloat16 in ours and in the ceiling, float32 in timm" in text
    assert "busy" not in text


def test_the_screen_says_what_could_not_be_measured_well():
    assert "2.5 processes of others ran before" in " ".join(shown(replace(FOUND, load=2.5)).split())
    assert "4 cores" in shown(replace(FOUND, cores=4))
    assert "the same in timm" in shown(replace(FOUND, device="NVIDIA H100"))


def test_compiling_pays_after_as_many_trials_as_win_its_seconds_back():
    assert FOUND.saving == pytest.approx(8192 / 300 - 8192 / 400 - 0.5)  # 6.3 s
    text = " ".join(shown(FOUND).split())
    assert "compiling takes 59 s in a worker's first trial (less once torch" in text
    assert "saves 6.3 s a trial of laptop's pre-training: it pays after 10 trials a worker" in text
    slower = replace(FOUND, speeds=(*FOUND.speeds[:2], replace(FOUND.speeds[2], wall=300)))
    assert slower.saving == -0.5
    assert "saves nothing in laptop's pre-training" in " ".join(shown(slower).split())
    assert replace(FOUND, compiling=None).saving is None


def test_the_command_measures_what_it_is_told_and_prints_it(monkeypatch, capsys):
    asked = []

    def measure(name, *, progress, **options):
        progress(room.count(2))
        asked.append((name, options))
        return FOUND

    monkeypatch.setattr(room, "measure", measure)
    options = ["--protocol", "smoke", "--rounds", "2", "--device", "cpu", "--cores", "1"]
    monkeypatch.setattr(sys, "argv", ["explorer", "bench", "train", *options])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert asked == [("smoke", {"rounds": 2, "steps": 8, "cores": 1, "device": "cpu"})]
    assert "ours, muon" in capsys.readouterr().out


def test_the_command_says_what_is_wrong_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["explorer", "bench", "train", "--protocol", "labtop"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("explorer: --protocol: 'labtop': no protocol")
