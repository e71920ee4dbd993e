"""Cheap values of a network: what a linear model or the nearest neighbours read off its features.

The *probe* is the value of a half-trained model, on which pruning acts. After big_vision's
few-shot evaluator (Beyer, Zhai, Kolesnikov): least squares from pooled features to one-hot labels,
in closed form. It needs one forward pass over a few hundred images and no gradient, and it never
sees a test image: the accuracy is cross-validated on the downstream training split, so that
pruning cannot select on the test set.

The features are taken as they leave the network's last norm, with one fixed regulariser. Neither is
a detail. Standardised features, or the best of many regularisers, give back the pixels that any
network lets through: where there was nothing to learn, the images differ faintly around a constant,
and scaled up that is as good as random features are. A short fine-tuning does not scale it up
either. See docs/protocol.md.

The *companions* are further scores of the whole pre-training, beside the accuracy after
fine-tuning: less noisy, since nothing is trained for them. Their features are the class token and
the mean of the patch tokens side by side.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from torch import nn

from explorer.training.downstream import PROBE_IMAGES, Downstream
from explorer.training.engine import forward, mixed
from explorer.training.inputs import Normalise
from explorer.training.models import features, frozen_features
from explorer.training.sources import Source, feed

FOLDS = 5
NEIGHBOURS = 10
# Per image that is fitted, in squared units of the features. A direction in which they vary by less
# counts little; the last norm makes their mean square about one.
REGULARISER = 0.025
# From hardly a difference between the classes to nearly all on the strongest one.
_LOG_TEMPERATURES = (-5.0, 5.0)

Features = NDArray[np.float64]
Labels = NDArray[np.int64]


def accuracy(
    model: nn.Module,
    task: Downstream,
    *,
    seed: int,
    device: torch.device,
) -> float:
    """Estimate how well a linear model on a network's frozen features would classify.

    Args:
        model: Below the head it is used as it is, in evaluation mode and float32.
        task: Only its training images are looked at; of more than 2,000 a seeded sample.
        seed: Of the sample and of the folds.
        device: Where the model lies.

    Returns:
        Top-1 accuracy in 0..1 over the held-out folds of a five-fold cross-validation; every
        image is held out once.
    """
    rng = np.random.default_rng(mixed(seed, 2))
    images, labels = _sample(task, rng)
    normalise = Normalise.of(model, feed(images, device), device)
    x = forward(model, lambda batch: features(model, batch), images, normalise, device=device)
    return cross_validate(x, labels, classes=len(task.classes), rng=rng)


def companions(
    model: nn.Module,
    task: Downstream,
    *,
    seed: int,
    device: torch.device,
) -> dict[str, float]:
    """Score a network's frozen features on the test images, without training anything.

    Args:
        model: Below the head it is used as it is, in evaluation mode and float32. Of a network
            with random weights these are the scores of random features, the control.
        task: Fitted on its training images, of more than 2,000 on a seeded sample.
        seed: Of the sample.
        device: Where the model lies.

    Returns:
        ``ridge`` and ``neighbours``: top-1 accuracy in 0..1 on the test images, by ridge
        regression and by the 10 nearest neighbours; ``logme``: evidence of a Bayesian linear
        model of the training labels, in nats per image and class, see :func:`logme`.
    """
    images, labels = _sample(task, np.random.default_rng(mixed(seed, 2)))
    normalise = Normalise.of(model, feed(images, device), device)

    def extract(shown: Source) -> Features:
        return forward(
            model, lambda batch: frozen_features(model, batch), shown, normalise, device=device
        )

    x, queries = extract(images), extract(task.test_images)
    classes = len(task.classes)
    by_ridge = ridge(x, labels, queries, classes=classes).argmax(axis=1)
    by_neighbours = neighbours(x, labels, queries, classes=classes)
    return {
        "ridge": float(np.mean(by_ridge == task.test_labels)),
        "neighbours": float(np.mean(by_neighbours == task.test_labels)),
        "logme": logme(x, labels, classes=classes),
    }


def cross_validate(x: Features, labels: Labels, *, classes: int, rng: np.random.Generator) -> float:
    """Accuracy of ridge regression from x [N, D] to labels [N], over held-out folds.

    Folds are stratified; features are centred by the images that are fitted.
    """
    fold = np.empty(len(labels), np.int64)
    start = 0
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        # Dealing goes on where the last class stopped, which keeps the folds of equal size.
        fold[rng.permutation(members)] = (start + np.arange(len(members))) % FOLDS
        start += len(members)
    hits = 0
    for held in range(min(FOLDS, len(labels))):
        out = fold == held
        scores = ridge(x[~out], labels[~out], x[out], classes=classes)
        hits += int((scores.argmax(axis=1) == labels[out]).sum())
    return hits / len(labels)


def ridge(x: Features, labels: Labels, queries: Features, *, classes: int) -> Features:
    """Fit one-hot labels by ridge regression and score queries, float64 [Q, classes].

    Args:
        x: float64 [N, D]; centred here, and not scaled.
        labels: int64 [N].
        queries: float64 [Q, D].
        classes: Number of classes.
    """
    mean = x.mean(axis=0)
    x, queries = x - mean, queries - mean
    y = np.eye(classes)[labels]
    centre = y.mean(axis=0)
    penalty = REGULARISER * len(x) * np.eye(x.shape[1])
    weights = np.linalg.solve(x.T @ x + penalty, x.T @ (y - centre))
    return np.asarray(centre + queries @ weights)


def neighbours(x: Features, labels: Labels, queries: Features, *, classes: int) -> Labels:
    """Classify queries by the 10 nearest neighbours, int64 [Q].

    Near means a high cosine after the mean of x is taken off. Every neighbour votes with its
    cosine, so that a tie of heads goes to the nearer ones.

    Args:
        x: float64 [N, D].
        labels: int64 [N].
        queries: float64 [Q, D].
        classes: Number of classes.
    """
    mean = x.mean(axis=0)
    cosines = _directions(queries - mean) @ _directions(x - mean).T
    count = min(NEIGHBOURS, len(x))
    near = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
    votes = np.zeros((len(queries), classes))
    rows = np.arange(len(queries))[:, None]
    # From -1..1 to 0..1: a neighbour on the far side must not vote against its own class.
    np.add.at(votes, (rows, labels[near]), (1 + cosines[rows, near]) / 2)
    return np.asarray(votes.argmax(axis=1))


def logme(x: Features, labels: Labels, *, classes: int) -> float:
    """Logarithm of the maximum evidence of a linear model of the labels (You et al., ICML 2021).

    One Bayesian linear regression per class, from x to whether an image is of the class; the
    precisions of its prior and its noise are those that make the labels likeliest.

    Args:
        x: float64 [N, D]; used as they are, without an intercept, as in the paper.
        labels: int64 [N].
        classes: Number of classes.

    Returns:
        Mean over the classes of the log evidence per image, in nats.
    """
    count, width = x.shape
    left, singular, _ = np.linalg.svd(x, full_matrices=False)
    squares = singular**2
    evidence = []
    for label in range(classes):
        y = (labels == label).astype(np.float64)
        projected = (left.T @ y) ** 2
        outside = max(0.0, float(y @ y - projected.sum()))
        prior, noise = 1.0, 1.0
        for _ in range(100):
            precision = prior + noise * squares
            effective = float((noise * squares / precision).sum())
            weights = float((noise**2 * squares * projected / precision**2).sum())
            residual = outside + float((prior**2 * projected / precision**2).sum())
            before = prior / noise
            prior = effective / max(weights, 1e-12)
            noise = (count - effective) / max(residual, 1e-12)
            if abs(prior / noise / before - 1) < 1e-3:
                break
        precision = prior + noise * squares
        weights = float((noise**2 * squares * projected / precision**2).sum())
        residual = outside + float((prior**2 * projected / precision**2).sum())
        zeros = max(0, width - len(squares)) * np.log(prior)
        evidence.append(
            0.5
            * (
                width * np.log(prior)
                + count * np.log(noise)
                - noise * residual
                - prior * weights
                - float(np.log(precision).sum())
                - zeros
                - count * np.log(2 * np.pi)
            )
            / count
        )
    return float(np.mean(evidence))


def temperature(logits: Features, labels: Labels) -> float:
    """Find the temperature that makes labels likeliest, of images that were not trained on.

    Guo et al., ICML 2017. One without any image.

    Args:
        logits: float64 [N, classes].
        labels: int64 [N].
    """
    if not len(labels):
        return 1.0
    fitted = minimize_scalar(
        lambda log: -log_likelihood(logits / np.exp(log), labels),
        bounds=_LOG_TEMPERATURES,
        method="bounded",
    )
    return float(np.exp(fitted.x))


def log_likelihood(logits: Features, labels: Labels) -> float:
    """Mean log-likelihood of labels [N] under logits [N, classes], in nats per image."""
    return float(log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def _sample(task: Downstream, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Labels]:
    chosen = np.sort(rng.permutation(len(task.train_labels))[:PROBE_IMAGES])
    return task.train_images[chosen], task.train_labels[chosen]


def _directions(x: Features) -> Features:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))
