import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier

from explorer.training import models, probe
from explorer.training.downstream import Downstream

CPU = torch.device("cpu")


def rng(seed=0):
    return np.random.default_rng(seed)


def linear_problem(count, width=20, classes=4, noise=0.0):
    """Labels that a linear map of the features gives."""
    x = rng(1).normal(size=(count, width)) + 3.0
    scores = x @ rng(2).normal(size=(width, classes))
    scores += noise * rng(3).normal(size=scores.shape)
    return x, (scores - scores.mean(axis=0)).argmax(axis=1).astype(np.int64)


def test_solves_a_linear_problem():
    x, labels = linear_problem(600)
    assert probe.cross_validate(x, labels, classes=4, rng=rng()) > 0.8


def test_pure_noise_scores_chance():
    x = rng().normal(size=(600, 20))
    labels = rng(1).integers(0, 4, 600)
    assert 0.17 < probe.cross_validate(x, labels, classes=4, rng=rng()) < 0.33


def test_more_features_than_images_does_not_overfit():
    x, labels = linear_problem(200)
    wide = np.concatenate([x, rng(5).normal(size=(200, 300))], axis=1)
    assert probe.cross_validate(wide, labels, classes=4, rng=rng()) > 0.4


def test_ridge_agrees_with_scikit_learn():
    x, labels = linear_problem(60, noise=0.5)
    queries = linear_problem(90)[0][60:]
    reference = Ridge(alpha=probe.REGULARISER * len(x)).fit(x, np.eye(4)[labels])
    found = probe.ridge(x, labels, queries, classes=4)
    assert np.allclose(found, reference.predict(queries))


def test_strong_features_count_for_more_than_faint_ones():
    """The same labels in one direction of many, or in the leading one: the probe tells them."""
    labels = np.arange(200) % 2
    sign = 2.0 * labels - 1
    noise = rng(4).normal(size=(200, 150))
    leading = noise + 1.0 * sign[:, None] * rng(5).normal(size=150)
    faint = noise.copy()
    faint[:, 0] += 1.5 * sign
    assert probe.cross_validate(leading, labels, classes=2, rng=rng()) > 0.95
    assert probe.cross_validate(faint, labels, classes=2, rng=rng()) < 0.85


def test_a_faint_variation_around_a_constant_is_not_scaled_up():
    """What a network that has learned nothing gives: all that is in the images, but faintly."""
    x, labels = linear_problem(200, noise=1.0)
    x -= x.mean(axis=0)
    clear = probe.cross_validate(x, labels, classes=4, rng=rng())
    faint = probe.cross_validate(3.0 + 0.01 * x, labels, classes=4, rng=rng())
    assert faint < clear - 0.1


def test_constant_features_are_ignored():
    x, labels = linear_problem(100)
    padded = np.concatenate([x, np.full((100, 3), 7.0)], axis=1)
    plain = probe.ridge(x, labels, x, classes=4)
    assert np.allclose(plain, probe.ridge(padded, labels, padded, classes=4))
    assert np.isfinite(
        probe.ridge(np.zeros((10, 3)), labels[:10], np.zeros((2, 3)), classes=4)
    ).all()


@pytest.fixture
def task():
    """Four textures, each a pattern of 2 x 2 pixels tiled, under noise."""
    labels = np.arange(128, dtype=np.int64) % 4
    patterns = np.array([[[1, 0], [0, 0]], [[1, 1], [0, 0]], [[1, 0], [1, 0]], [[1, 0], [0, 1]]])
    images = np.tile(patterns, (1, 4, 4))[labels] * 120 + rng().integers(0, 120, (128, 8, 8))
    images = images.astype(np.uint8)[:, None]
    return Downstream("tiles", images, labels, images[:0], labels[:0], ("a", "b", "c", "d"))


def test_scores_a_model_without_changing_it(tiny, task):
    model = models.build(tiny, classes=9, channels=1, seed=0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    value = probe.accuracy(model, task, seed=0, device=CPU)
    # Random features of a transformer are enough here; chance is a quarter.
    assert 0.5 < value <= 1
    assert value == probe.accuracy(model, task, seed=0, device=CPU)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())


def test_looks_at_a_bounded_sample(tiny, task, monkeypatch):
    model = models.build(tiny, classes=9, channels=1, seed=0)
    monkeypatch.setattr(probe, "PROBE_IMAGES", 40)
    seen = []

    def pixels(_model, _function, images, _normalise, *, device):
        seen.append((len(images), device))
        return images.reshape(len(images), -1).astype(float)

    monkeypatch.setattr(probe, "forward", pixels)
    assert probe.accuracy(model, task, seed=0, device=CPU) > 0.5
    assert seen == [(40, CPU)]


def test_neighbours_agree_with_scikit_learn():
    x, labels = linear_problem(300)
    queries = linear_problem(400)[0][300:]
    mean = x.mean(axis=0)

    def vote(distances):
        return 1 - distances / 2  # (1 + cosine) / 2

    reference = KNeighborsClassifier(10, metric="cosine", weights=vote).fit(x - mean, labels)
    found = probe.neighbours(x, labels, queries, classes=4)
    assert np.array_equal(found, reference.predict(queries - mean))


def test_fewer_images_than_neighbours():
    x, labels = linear_problem(4)
    assert probe.neighbours(x, labels, x[:2], classes=4).shape == (2,)


@pytest.mark.parametrize("shape", [(120, 20), (30, 50)])
def test_logme_is_the_evidence_of_a_bayesian_regression(shape):
    """Against the marginal likelihood computed from the covariance of the labels."""
    x = rng(1).normal(size=shape)
    labels = (x[:, 0] + 0.5 * rng(2).normal(size=shape[0]) > 0).astype(np.int64)

    def evidence(prior, noise, y):
        covariance = x @ x.T / prior + np.eye(len(x)) / noise
        _, log = np.linalg.slogdet(2 * np.pi * covariance)
        return -0.5 * (log + y @ np.linalg.solve(covariance, y)) / len(x)

    grid = np.logspace(-2, 4, 61)
    best = np.mean(
        [
            max(evidence(a, b, y) for a in grid for b in grid if b < 1e3)
            for y in (1.0 - labels, 1.0 * labels)
        ]
    )
    found = probe.logme(x, labels, classes=2)
    assert found == pytest.approx(best, abs=0.02)
    noise = probe.logme(rng(3).normal(size=shape), labels, classes=2)
    assert noise < found


def test_the_temperature_is_found_again():
    logits = rng().normal(size=(4000, 5)) * 2
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng(i).choice(5, p=p) for i, p in enumerate(chances)])
    assert probe.temperature(3 * logits, labels) == pytest.approx(3, rel=0.1)
    assert probe.temperature(logits[:0], labels[:0]) == 1
    assert probe.log_likelihood(np.zeros((7, 5)), labels[:7]) == pytest.approx(-np.log(5))


def test_companions_see_what_is_there_to_be_seen(tiny, task):
    tested = dataclasses.replace(
        task, test_images=task.train_images[:60], test_labels=task.train_labels[:60]
    )
    model = models.build(tiny, classes=9, channels=1, seed=0)
    found = probe.companions(model, tested, seed=0, device=CPU)
    assert found == probe.companions(model, tested, seed=0, device=CPU)
    assert found["ridge"] > 0.7
    assert found["neighbours"] > 0.5
    other = dataclasses.replace(tested, train_labels=rng().permutation(task.train_labels))
    blind = probe.companions(model, other, seed=0, device=CPU)
    assert all(blind[name] < found[name] for name in ("ridge", "neighbours", "logme"))
