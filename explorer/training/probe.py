"""A cheap value for a half-trained model: ridge regression on its frozen features.

After big_vision's few-shot evaluator (Beyer, Zhai, Kolesnikov): least squares from pooled
features to one-hot labels, in closed form. It needs one forward pass over a few hundred images
and no gradient, and it never sees a test image: the accuracy is cross-validated on the
downstream training split, so that pruning cannot select on the test set.

The features are taken as they leave the network's last norm, with one fixed regulariser. Neither is
a detail. Standardised features, or the best of many regularisers, give back the pixels that any
network lets through: where there was nothing to learn, the images differ faintly around a constant,
and scaled up that is as good as random features are. A short fine-tuning does not scale it up
either. See docs/protocol.md.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from explorer.training.downstream import Downstream
from explorer.training.engine import EVALUATION_BATCH, mixed, to_device
from explorer.training.inputs import Standardise
from explorer.training.models import channels_of, features

FOLDS = 5
# More images add time, not certainty, to a value that only has to rank.
MOST_IMAGES = 2_000
# An image that is fitted, in squared units of the features. A direction in which they vary by less
# counts little; the last norm makes their mean square about one.
REGULARISER = 0.025


def accuracy(model: nn.Module, task: Downstream, *, seed: int, device: torch.device) -> float:
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
    chosen = np.sort(rng.permutation(len(task.train_labels))[:MOST_IMAGES])
    images, labels = task.train_images[chosen], task.train_labels[chosen]
    standardise = Standardise.of(to_device(images, device))
    x = extract(model, images, standardise, device=device)
    return cross_validate(x, labels, classes=len(task.classes), rng=rng)


def extract(
    model: nn.Module, images: NDArray[np.uint8], standardise: Standardise, *, device: torch.device
) -> NDArray[np.float64]:
    """Compute pooled features, float64 [N, width], of uint8 [N, C, H, W]."""
    model.eval()
    channels = channels_of(model)
    with torch.inference_mode():
        parts: list[Tensor] = [
            features(model, standardise(batch.to(device), channels)).double().cpu()
            for batch in torch.split(to_device(images, torch.device("cpu")), EVALUATION_BATCH)
        ]
    return torch.cat(parts).numpy()


def cross_validate(
    x: NDArray[np.float64], labels: NDArray[np.int64], *, classes: int, rng: np.random.Generator
) -> float:
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


def ridge(
    x: NDArray[np.float64],
    labels: NDArray[np.int64],
    queries: NDArray[np.float64],
    *,
    classes: int,
) -> NDArray[np.float64]:
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
