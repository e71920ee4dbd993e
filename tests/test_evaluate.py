import math

import pytest
import torch

from explorer import config
from explorer.evaluate import check, evaluate
from explorer.scores import Rung, Scores
from explorer.variety import MEASURES

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def smoke() -> config.Protocol:
    return config.load_protocol("smoke")


def run(ranges, protocol, seed=0) -> tuple[list[Rung], Scores]:
    rungs = []
    evaluation = evaluate(ranges, protocol, seed)
    while True:
        try:
            rungs.append(next(evaluation))
        except StopIteration as stop:
            return rungs, stop.value


def values(found: tuple[list[Rung], Scores]) -> tuple:
    """All of a result but its timings."""
    rungs, scores = found
    losses = [(row["phase"], row["epoch"], row["loss"], row["accuracy"]) for row in scores.epochs]
    return rungs, scores.accuracy, scores.dataset, scores.variety, scores.pretrain_loss, losses


@pytest.fixture(scope="module")
def pretrained(smoke):
    return run({"frequency": (0, 20)}, smoke)


def test_a_trial_reports_its_rungs_and_all_scores(pretrained):
    rungs, scores = pretrained
    assert [rung.images_seen for rung in rungs] == [128, 256]
    assert all(0 <= rung.accuracy <= 1 for rung in rungs)
    assert 0.1 < scores.accuracy < 1
    assert scores.accuracies == {"digits": scores.accuracy}
    assert scores.variety.keys() == MEASURES.keys()
    assert all(math.isfinite(value) for value in scores.variety.values())
    assert scores.pretrain_loss < math.log(8) + 0.5  # eight categories: no worse than guessing
    phases = {"render", "variety", "pretrain", "probe", "finetune", "test"}
    assert scores.seconds.keys() == phases | {"total"}
    assert sum(scores.seconds[phase] for phase in phases) <= scores.seconds["total"]
    assert [(row["phase"], row["epoch"]) for row in scores.epochs] == [
        ("pretrain", 1),
        ("finetune", 1),
        ("finetune", 2),
        ("finetune", 3),
    ]


def test_the_same_arguments_give_the_same_scores_bit_for_bit(smoke, pretrained):
    assert values(run({"frequency": (0, 20)}, smoke)) == values(pretrained)


def test_a_default_may_be_said_or_left_out(smoke, pretrained):
    assert values(run({}, smoke)) == values(pretrained)


def test_another_seed_is_another_trial(smoke, pretrained):
    _, other = run({}, smoke, seed=1)
    assert other.dataset != pretrained[1].dataset
    assert other.epochs[0]["loss"] != pretrained[1].epochs[0]["loss"]


def test_from_scratch_is_fine_tuning_alone(smoke):
    rungs, scores = run(None, smoke)
    assert rungs == []
    assert scores.dataset is None
    assert scores.variety == {}
    assert {row["phase"] for row in scores.epochs} == {"finetune"}


def test_global_random_state_is_neither_read_nor_changed(smoke, pretrained):
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    assert values(run({}, smoke)) == values(pretrained)
    assert torch.equal(torch.random.get_rng_state(), before)


def changed(protocol: config.Protocol, **parts: dict) -> config.Protocol:
    said = protocol.model_dump(mode="json")
    for part, values_ in parts.items():
        said[part] |= values_
    return config.Protocol.model_validate(said)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"model": {"name": "vit_tiny_patch16_2244"}}, "did you mean 'vit_tiny_patch16_224'"),
        ({"downstream": {"name": "imagefolder", "path": "no/such/folder"}}, "no/such/folder"),
        pytest.param(
            {"resources": {"gpus": 1}},
            "wants a GPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_what_a_protocol_names_is_tried_first(smoke, parts, message):
    with pytest.raises(ValueError, match=message):
        check(changed(smoke, **parts))


def test_every_shipped_model_can_be_built(smoke):
    for name in ("smoke", "laptop", "gpu", "paper"):
        model = config.load_protocol(name).model
        check(smoke.model_copy(update={"model": model}))
