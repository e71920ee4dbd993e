"""Images that are made when their turn comes train the same weights as those in memory."""

import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from explorer.training import models
from explorer.training.engine import Rung, Training
from explorer.training.recipe import Augmentation, Pretrain
from explorer.training.sources import AHEAD, Streamed

CPU = torch.device("cpu")
RECIPE = Pretrain(
    epochs=3,
    batch_size=24,
    optimiser="muon",
    learning_rate=3e-3,
    matrix_learning_rate=0.02,
    augmentation=Augmentation(shift=0.1),
    rungs=(0.4, 1.0),
)


def start(tiny, images, labels, recipe=RECIPE, normalise="each_set"):
    model = models.build(
        tiny.model_copy(update={"normalise": normalise}), classes=4, channels=1, seed=0
    )
    options = {"classes": 4, "seed": 0, "device": CPU, "phase": "pretrain"}
    return Training(model, images, labels, recipe, **options)


def weights(training):
    return torch.cat([p.detach().flatten() for p in training.model.parameters()])


@pytest.mark.parametrize("threads", [1, 3])
def test_streamed_and_resident_weights_are_the_same_bits(tiny, halves, threads):
    images, labels = halves
    resident = start(tiny, images, labels)
    list(resident.run())
    source = Streamed(images.__getitem__, images.shape, threads)
    streamed = start(tiny, source, labels)
    for event in streamed.run():
        if isinstance(event, Rung):  # in the middle of an epoch
            break
    again = start(tiny, source, labels)
    again.restore(streamed.state())
    list(again.run())
    assert torch.equal(weights(again), weights(resident))
    assert np.array_equal(again.logits(source), resident.logits(images))


def test_no_more_is_made_than_the_next_batches(halves):
    images, _ = halves
    made, threads = [], set()

    def draw(indices):
        made.append(len(indices))
        threads.add(threading.current_thread())
        return images[indices]

    source = Streamed(draw, images.shape, 2)
    order = list(torch.arange(100).split(10))
    batches = source.batches(iter(order))
    assert torch.equal(next(batches), torch.from_numpy(images[:10]).unsqueeze(1))
    assert sum(made) <= 10 * (1 + AHEAD)
    batches.close()
    assert threading.current_thread() not in threads
    assert all(not thread.is_alive() for thread in threads)
    assert np.array_equal(source[np.array([5, 3])], images[[5, 3]])
    assert np.array_equal(source.only(np.array([5, 3])).whole(), images[[5, 3]])


def test_what_goes_wrong_in_a_thread_ends_the_training(tiny, halves):
    def draw(_):
        raise OSError("the disk is gone")

    source = Streamed(draw, halves[0].shape, 2)
    training = start(tiny, source, halves[1], normalise=(0.5, 0.5))
    with pytest.raises(OSError, match="the disk is gone"):
        list(training.run())


def test_fresh_instances_are_asked_for_once(tiny, halves):
    images, labels = halves
    asked = []

    def draw(places):
        asked.extend(places.tolist())
        return images[places % len(images)]

    recipe = RECIPE.model_copy(update={"instances": "fresh"})
    source = Streamed(draw, images.shape)
    fresh = start(tiny, source, labels, recipe, normalise=(0.5, 0.5))
    list(fresh.run())
    assert sorted(asked) == list(range(3 * len(images)))
    fixed = start(tiny, images, labels, normalise=(0.5, 0.5))
    list(fixed.run())
    assert torch.equal(weights(fresh), weights(fixed))  # here the fresh ones are the same images


VISUAL_ATOM_21K = """
import resource
from explorer import trial
from explorer.study import Protocol, load_protocol
from explorer.training import engine, models
content = load_protocol("paper").model_dump(mode="json")
content["dataset"] = {"categories": 21_000, "instances": 1_000, "canvas": 512}
content["pretrain"] |= {"batch_size": 8, "epochs": 90}
content["resources"] = {"cpus": 1}
protocol = Protocol.model_validate(content)
images, labels, digest = trial._proxy("visual_atom", {}, protocol, 0)
assert digest is None
model = models.build(protocol.model, classes=21_000, channels=3, seed=0)
training = engine.Training(
    model, images, labels, protocol.pretrain, classes=21_000, seed=0,
    device=trial.torch.device("cpu"), phase="pretrain",
)
training.steps = 2
list(training.run())
assert training.images_seen == 16
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def test_visual_atom_21k_takes_its_first_steps_in_4_gb():
    """21 million images of 224 x 224 pixels, which are 1.05 TB, under 21,000 classes."""
    done = subprocess.run(
        [sys.executable, "-c", VISUAL_ATOM_21K], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 4e9
