import copy
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from explorer.training import engine, models
from explorer.training.engine import Epoch, Rung, Training, TrainingDiverged
from explorer.training.inputs import Standardise
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
    found = engine.predict(training.model, images, training.standardise, device=CPU)
    return float((found == labels).mean())


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


def test_goes_on_from_its_step(tiny, halves):
    """Weights, optimisers and step are the whole state."""
    recipe = RECIPE.model_copy(update={"epochs": 2})
    whole, second = start(tiny, halves, recipe), start(tiny, halves, recipe)
    events = whole.run()
    while not isinstance(next(events), Rung):
        pass
    second.model.load_state_dict(whole.model.state_dict())
    for ours, theirs in zip(second.optimisers, whole.optimisers, strict=True):
        ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
    second.step, second.images_seen = whole.step, whole.images_seen
    assert whole.step == 2
    list(events)
    list(second.run())
    assert torch.equal(weights(whole), weights(second))


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
    batches = training._deal(0)
    assert [len(batch) for batch in batches] == [25, 25, 25, 25]
    assert sorted(torch.cat(batches).tolist()) == list(range(100))
    assert not torch.equal(torch.cat(batches), torch.cat(training._deal(1)))


def test_schedule_rises_then_falls_to_zero():
    rates = [engine.schedule(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1
    assert all(a < b for a, b in pairwise(rates[:10]))
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert 0 < rates[-1] < 1e-3
    assert engine.schedule(0, 1, 0.9) == 1
    assert engine.schedule(0, 5, 0) == 1


def test_bfloat16_where_it_is_asked_for(tiny, halves):
    recipe = FineTune(epochs=3, batch_size=32, learning_rate=1e-3, precision="bfloat16")
    assert engine.autocast(recipe, CPU)._enabled
    exact = recipe.model_copy(update={"precision": "float32"})
    assert not engine.autocast(exact, CPU)._enabled
    runs = [start(tiny, halves, r) for r in (recipe, exact)]
    losses = [list(run.run())[-1].loss for run in runs]
    assert math.isclose(*losses, rel_tol=0.2)
    assert losses[0] != losses[1]


def test_predict_takes_any_number_of_grey_images_for_a_colour_model(tiny):
    model = models.build(tiny, classes=4, channels=3, seed=0)
    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8), dtype=np.uint8)
    standardise = Standardise.of(engine.to_device(images, CPU))
    found = engine.predict(model, images, standardise, device=CPU)
    alone = engine.predict(model, images[270:], standardise, device=CPU)
    assert found.shape == (300,)
    assert found.dtype == np.int64
    assert np.array_equal(found[270:], alone)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_learns_on_cuda(tiny, halves):
    cuda = torch.device("cuda")
    model = models.build(tiny, classes=4, channels=1, seed=0)
    training = Training(model, *halves, RECIPE, classes=4, seed=0, device=cuda, phase="pretrain")
    assert list(training.run())[-2].accuracy > 0.9
    assert (
        engine.predict(model, halves[0], training.standardise, device=cuda) == halves[1]
    ).mean() > 0.9
