import io
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from explorer.training import engine, models
from explorer.training.engine import (
    Epoch,
    Rung,
    Training,
    TrainingDiverged,
    TrainingOutOfMemory,
)
from explorer.training.recipe import Augmentation, FineTune, Pretrain

CPU = torch.device("cpu")
RECIPE = Pretrain(
    epochs=20,
    batch_size=32,
    optimiser="muon",
    learning_rate=3e-3,
    matrix_learning_rate=0.02,
    augmentation=Augmentation(shift=0.1),
    rungs=(0.25, 0.5, 1.0),
)


def start(tiny, data, recipe=RECIPE, *, seed=0, phase="pretrain"):
    model = models.build(tiny, classes=4, channels=1, seed=seed)
    return Training(model, *data, recipe, classes=4, seed=seed, device=CPU, phase=phase)


def numpy_state():
    return np.random.get_state()[1].copy()  # noqa: NPY002 - the legacy state must not change


def weights(training):
    return torch.cat([p.detach().flatten() for p in training.model.parameters()])


def accuracy(training, images, labels):
    return float((training.logits(images).argmax(axis=1) == labels).mean())


@pytest.fixture(scope="module")
def trained(tiny, halves):
    torch.set_num_threads(1)
    training = start(tiny, halves)
    return training, list(training.run())


def test_learns_a_separable_task(trained, tiny, halves):
    training, events = trained
    epochs = [event for event in events if isinstance(event, Epoch)]
    assert epochs[-1].loss < epochs[0].loss / 3
    assert epochs[-1].accuracy > 0.9
    assert accuracy(training, *halves) > 0.9
    assert accuracy(start(tiny, halves), *halves) < 0.6


@pytest.mark.parametrize(("optimiser", "rate"), [("adamw", 3e-3), ("sgd", 0.03)])
def test_other_optimisers_learn_it_too(tiny, halves, optimiser, rate):
    recipe = FineTune(epochs=20, batch_size=32, optimiser=optimiser, learning_rate=rate)
    losses = [event.loss for event in start(tiny, halves, recipe).run()]
    assert losses[-1] < 0.9 * losses[0]


def test_reports_epochs_and_rungs_in_order(trained):
    _, events = trained
    epochs = [e for e in events if isinstance(e, Epoch)]
    assert [e.epoch for e in epochs] == list(range(1, 21))
    assert [e.images_seen for e in epochs] == [128 * epoch for epoch in range(1, 21)]
    rungs = [e for e in events if isinstance(e, Rung)]
    assert [(e.images_seen, e.share) for e in rungs] == [(640, 0.25), (1280, 0.5), (2560, 1.0)]
    assert all(a.images_seen <= b.images_seen for a, b in pairwise(events))
    assert all(e.seconds > 0 for e in epochs)


def test_same_seed_same_bits_and_no_global_state(tiny, halves, trained):
    before, numpy_before = torch.get_rng_state(), numpy_state()
    again = start(tiny, halves)
    events = list(again.run())
    assert torch.equal(weights(again), weights(trained[0]))
    assert [e.loss for e in events if isinstance(e, Epoch)] == [
        e.loss for e in trained[1] if isinstance(e, Epoch)
    ]
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpy_before, numpy_state())


def test_what_the_caller_does_at_an_event_changes_nothing(tiny, halves, trained):
    disturbed = start(tiny, halves)
    for _ in disturbed.run():
        torch.manual_seed(5)
        accuracy(disturbed, *halves)
    assert torch.equal(weights(disturbed), weights(trained[0]))


def test_another_seed_is_another_run(tiny, halves):
    recipe = RECIPE.model_copy(update={"epochs": 1})
    first, second = start(tiny, halves, recipe), start(tiny, halves, recipe, seed=1)
    for training in (first, second):
        list(training.run())
    assert not torch.equal(weights(first), weights(second))


def untimed(event):
    """All of an event but its time."""
    return replace(event, seconds=0)


@pytest.mark.parametrize(
    "chosen",
    [
        {"optimiser": "adamw"},
        {"optimiser": "sgd"},
        {"optimiser": "muon", "matrix_learning_rate": 0.02},
        {"optimiser": "muon", "matrix_learning_rate": 0.02, "precision": "bfloat16"},
    ],
    ids=lambda chosen: "-".join(str(value) for value in chosen.values()),
)
def test_goes_on_from_a_saved_state_as_if_never_stopped(tiny, halves, chosen):
    recipe = Pretrain(epochs=2, batch_size=32, learning_rate=3e-3, rungs=(0.25, 0.75, 1), **chosen)
    whole = start(tiny, halves, recipe)
    expected = [untimed(event) for event in whole.run()]
    stopped = start(tiny, halves, recipe)
    for event in stopped.run():
        if isinstance(event, Rung):
            break
    saved = io.BytesIO()
    torch.save(stopped.state(), saved)
    saved.seek(0)

    again = start(tiny, halves, recipe)
    with torch.no_grad():
        for parameter in again.model.parameters():
            parameter.fill_(7)
    again.restore(torch.load(saved, weights_only=True))
    assert (again.step, again.images_seen) == (2, 64)  # in the middle of an epoch of four steps
    assert [untimed(event) for event in again.run()] == expected[1:]
    assert torch.equal(weights(whole), weights(again))


def test_a_state_does_not_change_with_the_run(tiny, halves):
    training = start(tiny, halves, RECIPE.model_copy(update={"epochs": 2}))
    events = training.run()
    next(events)
    state = training.state()
    list(events)
    first = weights(training)
    for _ in range(2):
        training.restore(state)
        list(training.run())
        assert torch.equal(weights(training), first)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"seed": 1}, "cannot go on from a run with seed 0; this one has 1"),
        ({"phase": "finetune"}, "finetune: cannot go on from a run with phase pretrain"),
        ({"recipe": RECIPE.model_copy(update={"epochs": 3})}, "steps 80; this one has 12"),
    ],
)
def test_a_state_of_another_run_is_refused(tiny, halves, other, message):
    with pytest.raises(ValueError, match=message):
        start(tiny, halves, **other).restore(start(tiny, halves).state())


def test_a_set_smaller_than_a_batch_is_one_batch(tiny, halves):
    images, labels = halves
    recipe = FineTune(
        epochs=2, batch_size=512, learning_rate=1e-3, augmentation=Augmentation(cutmix=1)
    )
    training = start(tiny, (images[:5], labels[:5]), recipe)
    assert [event.images_seen for event in training.run()] == [5, 10]
    assert training.step == 2


@pytest.mark.parametrize(("count", "classes"), [(0, 4), (8, 1)])
def test_nothing_to_tell_apart_is_refused(tiny, halves, count, classes):
    images, labels = halves[0][:count], halves[1][:count] % classes
    model = models.build(tiny, classes=classes, channels=1, seed=0)
    said = f"finetune: {count} images of {classes} categories; training needs"
    with pytest.raises(ValueError, match=said):
        Training(
            model,
            images,
            labels,
            FineTune(epochs=1, batch_size=8, learning_rate=1e-3),
            classes=classes,
            seed=0,
            device=CPU,
            phase="finetune",
        )


def ask_for_too_much(_):
    return torch.empty(2**60, dtype=torch.uint8)


def run_out_on_a_gpu(_):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.mark.parametrize("forward", [ask_for_too_much, run_out_on_a_gpu])
def test_out_of_memory_says_what_to_lower(tiny, halves, monkeypatch, forward):
    training = start(tiny, halves)
    monkeypatch.setattr(training.model, "forward", forward)
    with pytest.raises(TrainingOutOfMemory) as caught:
        list(training.run())
    assert str(caught.value) == (
        "pretrain: out of memory on cpu at step 1 with batches of 32 images of 8 x 8; "
        "lower the batch_size or the model's image_size"
    )


def test_other_errors_pass_as_they_are(tiny, halves, monkeypatch):
    training = start(tiny, halves)
    monkeypatch.setattr(training.model, "forward", lambda x: x @ x[:, :, :3])
    with pytest.raises(RuntimeError, match="size"):
        list(training.run())


def test_a_deterministic_run_has_torch_s_switch_on_in_its_steps_only(tiny, halves, monkeypatch):
    seen = []
    training = start(tiny, halves, RECIPE.model_copy(update={"epochs": 2, "deterministic": True}))
    forward = training.model.forward

    def watched(x):
        seen.append(torch.are_deterministic_algorithms_enabled())
        return forward(x)

    monkeypatch.setattr(training.model, "forward", watched)
    for _ in training.run():
        assert not torch.are_deterministic_algorithms_enabled()
    assert seen == [True] * 8


def test_divergence_names_phase_and_step(tiny, halves):
    recipe = FineTune(epochs=3, batch_size=32, learning_rate=10, clip=None, warmup=0)
    training = start(tiny, halves, recipe, phase="finetune")
    with torch.no_grad():
        training.model.head.weight.fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match="finetune diverged at step 1 of 12") as caught:
        list(training.run())
    assert caught.value.step == 1
    assert isinstance(caught.value, ValueError)


def test_divergence_in_the_middle_names_its_step(tiny, halves, monkeypatch):
    training = start(tiny, halves, FineTune(epochs=1, batch_size=16, learning_rate=1e-3))
    forward = training.model.forward
    monkeypatch.setattr(
        training.model, "forward", lambda x: forward(x) / (0 if training.step == 4 else 1)
    )
    with pytest.raises(TrainingDiverged, match="pretrain diverged at step 5 of 8"):
        list(training.run())


def test_divergence_of_the_last_update_is_seen(tiny, halves):
    training = start(tiny, halves, FineTune(epochs=1, batch_size=128, learning_rate=1e-3))
    training.model.norm = torch.nn.Identity()
    events = training.run()
    next(events)
    with torch.no_grad():
        training.model.head.bias[0] = float("inf")
    with pytest.raises(TrainingDiverged, match="step 1 of 1"):
        list(events)


def test_batches_have_equal_sizes_and_cover_every_image_once(tiny, halves):
    images, labels = halves
    training = start(
        tiny, (images[:100], labels[:100]), FineTune(epochs=1, batch_size=33, learning_rate=1e-3)
    )
    batches = list(training._deal(0))
    assert [len(batch) for batch in batches] == [25, 25, 25, 25]
    assert sorted(torch.cat(batches).tolist()) == list(range(100))
    assert not torch.equal(torch.cat(batches), torch.cat(list(training._deal(1))))


def test_a_batch_may_go_through_in_parts(tiny, halves):
    """To rounding the same weights; by itself each part has draws of its own."""
    recipe = RECIPE.model_copy(update={"epochs": 2, "precision": "float32"})
    whole = start(tiny, halves, recipe)
    parts = start(tiny, halves, recipe.model_copy(update={"micro_batch": 12}))
    losses = [[event.loss for event in run.run()] for run in (whole, parts)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert torch.allclose(weights(whole), weights(parts), atol=1e-4)
    assert not torch.equal(weights(whole), weights(parts))


def test_repeated_augmentation_shows_fewer_images_more_often(tiny, halves):
    recipe = RECIPE.model_copy(update={"copies": 3})
    dealt = [torch.cat(list(start(tiny, halves, recipe)._deal(epoch))) for epoch in (0, 1)]
    counts = torch.bincount(dealt[0])
    assert len(dealt[0]) == len(halves[1])
    assert sorted(counts[counts > 0].tolist()) == [2] + [3] * 42
    assert not torch.equal(*dealt)


def test_deeper_branches_are_left_out_more_often_and_their_mean_stays(tiny, halves):
    recipe = RECIPE.model_copy(update={"drop_path": 0.5, "epochs": 1})
    training = start(tiny, halves, recipe)
    shares = [branch.share for branch in training._branches]
    assert shares == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5])
    deepest = training._branches[-1]
    deepest.draw(10_000, torch.Generator().manual_seed(0))
    kept = deepest.train()(torch.ones(10_000, 2, 3))
    assert set(kept.flatten().tolist()) == {0, 2}
    assert kept.mean() == pytest.approx(1, abs=0.05)
    assert torch.equal(deepest.eval()(kept), kept)
    again = start(tiny, halves, recipe)
    for run in (training, again):
        list(run.run())
    assert torch.equal(weights(training), weights(again))
    # A fine-tuning without it leaves nothing out any more.
    options = {"classes": 4, "seed": 0, "device": CPU, "phase": "finetune"}
    plain = FineTune(epochs=1, batch_size=32, learning_rate=1e-3)
    assert Training(training.model, *halves, plain, **options)._branches == []


def test_schedule_rises_then_falls_to_zero():
    rates = [engine.schedule(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1
    assert all(a < b for a, b in pairwise(rates[:10]))
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert 0 < rates[-1] < 1e-3
    assert engine.schedule(0, 1, 0.9) == 1
    assert engine.schedule(0, 5, 0) == 1
    low = [engine.schedule(step, 100, 0.1, 0.2) for step in range(100)]
    assert low[:10] == rates[:10]
    assert low[10:] == pytest.approx([0.2 + 0.8 * rate for rate in rates[10:]])


def test_bfloat16_where_it_is_asked_for(tiny, halves):
    recipe = FineTune(epochs=3, batch_size=32, learning_rate=1e-3, precision="bfloat16")
    exact = recipe.model_copy(update={"precision": "float32"})
    runs = [start(tiny, halves, r) for r in (recipe, exact)]
    losses = [list(run.run())[-1].loss for run in runs]
    assert math.isclose(*losses, rel_tol=0.2)
    assert losses[0] != losses[1]


def test_compiled_where_it_is_asked_for(tiny, halves, compiling):
    graphs = []
    compiling(lambda graph, _: graphs.append(graph) or graph)
    recipe = RECIPE.model_copy(update={"epochs": 2, "rungs": (1.0,), "precision": "float32"})
    plain = start(tiny, halves, recipe)
    expected = [event.loss for event in plain.run()]
    assert graphs == []
    training = start(tiny, halves, recipe.model_copy(update={"compile": True}))
    assert [event.loss for event in training.run()] == pytest.approx(expected, rel=1e-4)
    assert graphs
    assert training.state()["model"].keys() == plain.state()["model"].keys()


def test_what_cannot_be_compiled_goes_on_as_it_is(tiny, halves, compiling, caplog):
    def lack(_graph, _inputs):
        raise RuntimeError("no compiler here")

    compiling(lack)
    recipe = RECIPE.model_copy(update={"epochs": 1, "rungs": (1.0,)})
    expected = list(start(tiny, halves, recipe).run())
    found = list(start(tiny, halves, recipe.model_copy(update={"compile": True})).run())
    assert [event.loss for event in found] == [event.loss for event in expected]
    (warning,) = [record for record in caplog.records if record.name == "explorer"]
    assert warning.message.startswith("pretrain: goes on without compiling: ")
    assert "no compiler here" in warning.message


def test_logits_of_any_number_of_grey_images_for_a_colour_model(tiny):
    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8), dtype=np.uint8)
    model = models.build(tiny, classes=4, channels=3, seed=0)
    training = Training(
        model, images, np.arange(300) % 4, RECIPE, classes=4, seed=0, device=CPU, phase="pretrain"
    )
    logits = training.logits(images)
    assert logits.shape == (300, 4)
    assert np.allclose(logits[270:], training.logits(images[270:]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_learns_on_cuda(tiny, halves):
    cuda = torch.device("cuda")
    model = models.build(tiny, classes=4, channels=1, seed=0)
    training = Training(model, *halves, RECIPE, classes=4, seed=0, device=cuda, phase="pretrain")
    assert list(training.run())[-2].accuracy > 0.9
    assert accuracy(training, *halves) > 0.9


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("optimiser", [{}, {"optimiser": "adamw", "matrix_learning_rate": None}])
def test_a_deterministic_run_on_cuda_gives_the_same_bits(tiny, halves, optimiser):
    recipe = RECIPE.model_copy(update={"epochs": 3, "deterministic": True, **optimiser})
    runs = []
    for _ in range(2):
        model = models.build(tiny, classes=4, channels=1, seed=0)
        cuda = torch.device("cuda")
        training = Training(
            model, *halves, recipe, classes=4, seed=0, device=cuda, phase="pretrain"
        )
        list(training.run())
        runs.append(weights(training))
    assert torch.equal(*runs)
