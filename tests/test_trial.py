import math
import weakref

import numpy as np
import pytest
import torch
from PIL import Image

from explorer import study as studies
from explorer import trial
from explorer.errors import InputError
from explorer.measures import MEASURES
from explorer.scores import Rung, Scores
from explorer.training import arithmetic, engine, memory, tasks
from explorer.training.checkpoint import Checkpoint
from explorer.training.downstream import DownstreamError, load
from explorer.training.recipe import Task
from explorer.trial import check, evaluate, stepwise

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def smoke() -> studies.Protocol:
    """With the smallest vision transformer of timm, which takes a sixth of the time."""
    return changed(studies.load_protocol("smoke"), model={"name": "test_vit"})


def run(ranges, protocol, **options) -> tuple[list[Rung], Scores]:
    rungs: list[Rung] = []
    scores = evaluate(ranges, protocol, on_rung=rungs.append, **options)
    return rungs, scores


def values(result: tuple[list[Rung], Scores]) -> tuple:
    """All of a result but its timings."""
    rungs, scores = result
    losses = [(row["phase"], row["epoch"], row["loss"], row["accuracy"]) for row in scores.epochs]
    rungs = [(rung.images_seen, rung.accuracy, rung.loss) for rung in rungs]
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
    assert scores.remarks == []
    assert all(math.isfinite(value) for value in scores.variety.values())
    assert scores.pretrain_loss < math.log(8) + 0.5  # eight categories: no worse than guessing
    phases = {"render", "variety", "pretrain", "probe", "companions", "finetune", "test"}
    assert scores.seconds.keys() == phases | {"total"}
    assert sum(scores.seconds[phase] for phase in phases) <= scores.seconds["total"]
    assert [(row["phase"], row["epoch"]) for row in scores.epochs] == [
        ("pretrain", 1),
        ("finetune", 1),
        ("finetune", 2),
        ("finetune", 3),
    ]


def test_the_same_arguments_give_the_same_scores_whatever_the_global_random_state(
    smoke, pretrained
):
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    assert values(run({"frequency": (0, 20)}, smoke)) == values(pretrained)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_default_may_be_said_or_left_out(smoke, pretrained):
    assert values(run({}, smoke)) == values(pretrained)


def test_the_front_door_takes_plain_values_and_keeps_its_threads_to_itself(smoke, pretrained):
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    seen = []

    def look(_: Rung) -> None:
        seen.append(torch.get_num_threads())

    try:
        content = smoke.model_dump(mode="json")
        scores = evaluate({"frequency": [0, 20]}, content, on_rung=look)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 1]
    assert scores.accuracy == pretrained[1].accuracy
    assert scores.companions == pretrained[1].companions
    with pytest.raises(InputError, match="did you mean 'smoke'"):
        evaluate(None, "smok")
    with pytest.raises(InputError, match=r"protocol: pretrain.epochs: 0"):
        evaluate(None, content | {"pretrain": {**content["pretrain"], "epochs": 0}})


def test_without_training_a_trial_draws_only_what_it_measures(smoke, pretrained, monkeypatch):
    """It has the variety of the trial that trains, under a key of its own."""
    bare = smoke.model_copy(update={"train": False})
    monkeypatch.setattr(trial.models, "build", None)
    monkeypatch.setattr(trial.downstream, "load", None)
    rungs, scores = run({}, bare)
    assert rungs == []
    assert scores.variety == pretrained[1].variety
    assert math.isnan(scores.accuracy)
    assert scores.result_key != pretrained[1].result_key
    assert changed(bare, pretrain={"epochs": 9}).digest() == bare.digest() != smoke.digest()


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


@pytest.fixture
def photos(tmp_path):
    """A folder of coloured images, three classes that differ in their hue."""
    random = np.random.default_rng(0)
    for name, colour in (("red", 0), ("green", 1), ("blue", 2)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            image = random.integers(0, 60, (20, 20, 3))
            image[..., colour] += 150
            path = tmp_path / "photos" / name / f"{number}.png"
            Image.fromarray(image.astype(np.uint8)).save(path)
    return tmp_path / "photos"


def test_what_a_trial_leaves_is_an_arm_to_begin_with(smoke, pretrained, tmp_path):
    folder = tmp_path / "weights"
    _, scores = run({"frequency": (0, 20)}, smoke, weights=folder)
    assert scores.repeats == pretrained[1].repeats
    begun = changed(smoke, model={"weights": f"local-dir:{folder}"}, scratch={"epochs": 1})
    rungs, published = run(None, begun)
    assert rungs == []
    # The same network under the same new heads.
    assert published.repeats == scores.repeats
    assert published.companions == pytest.approx(scores.companions, rel=1e-5)
    # It can also be pre-trained further, and be fine-tuned on larger images.
    _, further = run({}, changed(begun, finetune={"image_size": 32}))
    assert further.epochs[0]["loss"] < scores.epochs[0]["loss"]
    assert further.companions != scores.companions


def test_several_tasks_score_by_their_mean(smoke, photos):
    digits = smoke.downstream[0].model_dump(mode="json")
    folder = {"name": "imagefolder", "path": str(photos), "test_fraction": 0.5}
    both = smoke.model_dump(mode="json") | {"downstream": [digits, folder]}
    rungs, scores = run({}, studies.Protocol.model_validate(both))
    assert scores.accuracies.keys() == {"digits", "photos"}
    assert scores.accuracies["photos"] > 0.6
    assert scores.accuracy == pytest.approx(sum(scores.accuracies.values()) / 2)
    phases = [(row["phase"], row["epoch"]) for row in scores.epochs]
    assert phases == [
        ("pretrain", 1),
        *[(phase, epoch) for phase in ("finetune", "finetune.2") for epoch in (1, 2, 3)],
    ]
    assert len(rungs) == 2
    # Each task starts from the pre-trained weights, not from those tuned for another.
    other_way = both | {"downstream": [folder, digits]}
    _, turned = run({}, studies.Protocol.model_validate(other_way))
    assert turned.accuracies == scores.accuracies


def test_fine_tuning_is_repeated_under_other_heads_and_averaged(smoke, pretrained):
    thrice = changed(smoke, finetune={"repeats": 3})
    rungs, scores = run({"frequency": (0, 20)}, thrice)
    repeats = scores.repeats["digits"]
    assert repeats[0] == pretrained[1].accuracy  # repeats add to the first, and change nothing else
    assert len(repeats) == 3
    assert len({row["loss"] for row in scores.epochs if row["epoch"] == 1}) == 4
    assert scores.accuracy == pytest.approx(sum(repeats) / 3)
    assert [rung.accuracy for rung in rungs] == [rung.accuracy for rung in pretrained[0]]
    assert [row["phase"] for row in scores.epochs if row["epoch"] == 1] == [
        "pretrain",
        "finetune",
        "finetune.2",
        "finetune.3",
    ]
    assert values(run({"frequency": (0, 20)}, thrice)) == values((rungs, scores))


def test_every_draw_is_fine_tuned_on_and_the_companions_come_beside(smoke):
    few = {"train_size": 50, "draws": 2, "scatter": {}, "invert": 0.5}
    protocol = changed(smoke, downstream=few)
    _, scores = run({"frequency": (0, 20)}, protocol)
    assert len(scores.repeats["digits"]) == 2
    assert scores.companions.keys() == {"ridge", "neighbours", "logme", "log_likelihood"}
    assert -math.log(10) - 1 < scores.companions["log_likelihood"] < 0
    # A control: pre-trained and probed alike, fine-tuned from the same weights in another order.
    shuffled = changed(protocol, finetune={"weights": "shuffled"})
    _, control = run({"frequency": (0, 20)}, shuffled)
    assert control.companions["ridge"] == scores.companions["ridge"]
    assert control.repeats != scores.repeats


def test_real_images_may_stand_in_for_a_formula(smoke, photos):
    sizes = {"images": str(photos), "categories": 2, "instances": 10}
    protocol = changed(smoke, dataset=sizes)
    rungs, scores = run({}, protocol)
    assert [rung.images_seen for rung in rungs] == [20]  # one step, so one rung
    assert scores.variety["between_spread"] > 0
    assert scores.remarks[0].startswith("Only 20 images were measured")
    assert values(run({}, protocol)) == values((rungs, scores))
    for wrong, reason in (
        ({"categories": 4}, "has 3 classes"),
        ({"instances": 13}, "has 12 images"),
    ):
        with pytest.raises(DownstreamError, match=reason):
            run({}, changed(smoke, dataset={**sizes, **wrong}))


def test_what_does_not_fit_into_memory_is_streamed_with_the_same_scores(
    smoke, pretrained, photos, monkeypatch
):
    folder = changed(smoke, dataset={"images": str(photos), "categories": 2, "instances": 10})
    held = run({}, folder)
    monkeypatch.setattr(memory, "host", lambda: 1000)
    for protocol, (rungs, scores) in ((smoke, pretrained), (folder, held)):
        streamed = run({"frequency": (0, 20)}, protocol)
        assert streamed[1].dataset is None
        streamed[1].dataset = scores.dataset
        assert values(streamed) == values((rungs, scores))
        assert streamed[1].companions == scores.companions


def test_fresh_instances_are_others_in_every_epoch(smoke):
    """With one epoch they are those that a fixed set has."""
    for epochs in (1, 2):
        fixed = changed(smoke, pretrain={"epochs": epochs})
        fresh = changed(fixed, pretrain={"instances": "fresh"})
        (_, one), (_, other) = run({}, fixed), run({}, fresh)
        assert one.variety == other.variety
        losses = [[row["loss"] for row in each.epochs[:epochs]] for each in (one, other)]
        assert [a == b for a, b in zip(*losses, strict=True)] == [True, False][:epochs]


def test_a_rung_says_what_it_has_cost(pretrained):
    rungs, scores = pretrained
    rendered = scores.seconds["render"] + scores.seconds["variety"]
    trained = scores.seconds["pretrain"] + scores.seconds["probe"]
    assert rendered < rungs[0].seconds < rungs[1].seconds
    assert rungs[1].seconds == pytest.approx(rendered + trained)
    assert np.mean([rung.loss for rung in rungs]) == pytest.approx(scores.pretrain_loss)


def test_a_trial_that_was_stopped_goes_on_from_its_last_rung(smoke, pretrained, tmp_path):
    evaluation = stepwise({"frequency": (0, 20)}, smoke, checkpoints=tmp_path)
    first = next(evaluation)
    evaluation.close()  # as far as it matters here, the process is gone
    assert [path.suffix for path in tmp_path.iterdir()] == [".pt"]
    rungs, scores = run({"frequency": (0, 20)}, smoke, checkpoints=tmp_path)
    assert values((rungs, scores)) == values(pretrained)
    assert rungs[0] == first  # reported again, not done again
    # What was spent before counts too; seconds of a part of an epoch may be missing.
    assert scores.seconds["total"] > first.seconds / 2
    assert list(tmp_path.iterdir()) == []


def test_another_fine_tuning_goes_on_from_the_same_pre_training(smoke, pretrained, tmp_path):
    evaluation = stepwise({"frequency": (0, 20)}, smoke, checkpoints=tmp_path)
    first = next(evaluation)
    evaluation.close()
    rungs, _ = run({}, changed(smoke, finetune={"epochs": 1}), checkpoints=tmp_path)
    assert rungs[0] == first
    assert rungs[1].accuracy == pretrained[0][1].accuracy


def test_a_trial_that_was_stopped_after_its_last_rung_is_not_trained_again(
    smoke, pretrained, tmp_path, monkeypatch
):
    evaluation = stepwise({"frequency": (0, 20)}, smoke, checkpoints=tmp_path)
    next(evaluation), next(evaluation)
    evaluation.close()
    steps = []
    advance = engine.Training._advance
    monkeypatch.setattr(
        engine.Training, "_advance", lambda t, *batch: (steps.append(t.phase), advance(t, *batch))
    )
    assert values(run({"frequency": (0, 20)}, smoke, checkpoints=tmp_path)) == values(pretrained)
    assert set(steps) == {"finetune"}


@pytest.mark.parametrize("ranges", [{"frequency": (0, 20)}, None])
def test_a_trial_that_was_stopped_while_it_was_fine_tuned_goes_on_there(
    smoke, tmp_path, monkeypatch, ranges
):
    twice = changed(smoke, finetune={"repeats": 2})
    expected = values(run(ranges, twice))
    monkeypatch.setattr(engine, "SECONDS_BETWEEN_SAVES", 0)
    save = Checkpoint.save
    steps = []

    def stop(checkpoint, content):
        save(checkpoint, content)
        if content()["training"]["phase"] == "finetune":
            steps.append(content()["training"]["step"])
            if len(steps) == 8:  # in the second of two fine-tunings of six steps
                raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        run(ranges, twice, checkpoints=tmp_path)
    assert values(run(ranges, twice, checkpoints=tmp_path)) == expected
    assert steps[6:] == [1, 2, 3, 4, 5, 6]
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_trial_or_a_damaged_one_is_not_used(smoke, pretrained, tmp_path):
    evaluation = stepwise({"frequency": (0, 20)}, smoke, checkpoints=tmp_path)
    next(evaluation)
    evaluation.close()
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    again = run({"frequency": (0, 20)}, smoke, checkpoints=tmp_path)
    assert values(again) == values(pretrained)
    remarks = []
    Checkpoint(tmp_path, "one", {"torch": "1"}).save(lambda: {"rungs": []})
    assert Checkpoint(tmp_path, "one", {"torch": "1"}).load(remarks)["rungs"] == []
    assert remarks == []
    assert Checkpoint(tmp_path, "one", {"torch": "2"}).load(remarks)["rungs"] == []
    assert remarks == ["Went on from what other code had computed: torch 1, now 2."]
    (tmp_path / "one.pt").rename(tmp_path / "another.pt")
    assert Checkpoint(tmp_path, "another", {}).load(remarks) is None


def test_a_folder_that_cannot_be_written_costs_no_trial(smoke, pretrained, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    result = run({"frequency": (0, 20)}, smoke, checkpoints=tmp_path / "file" / "folder")
    assert values(result) == values(pretrained)
    assert "no checkpoint at" in caplog.text


def changed(protocol: studies.Protocol, **parts: dict) -> studies.Protocol:
    content = protocol.model_dump(mode="json")
    for part, values_ in parts.items():
        content[part] = {**content.get(part, {}), **values_}
    return studies.Protocol.model_validate(content)


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


def test_what_does_not_fit_into_memory_is_refused_before_anything_runs(smoke, monkeypatch):
    monkeypatch.setattr(memory, "host", lambda: 2**30)
    large = {"categories": 10_000, "instances": 1_000}
    many = changed(smoke, dataset=large, pretrain={"batch_size": 60_000})
    check(many)
    memory_of_a_phone = (
        r"pretrain takes at least 0\.\d GiB, and this machine has 0\.1; lower pretrain"
    )
    monkeypatch.setattr(memory, "host", lambda: 2**27)
    with pytest.raises(ValueError, match=memory_of_a_phone):
        check(many)


@pytest.mark.parametrize(
    ("gpus", "there", "message"),
    [
        (1, 0, "wants a GPU, and torch sees none"),
        (1, 1, "precision: a Turing does not multiply bfloat16; auto uses float32"),
    ],
)
def test_gpus_are_counted_and_asked_for_their_arithmetic(smoke, monkeypatch, gpus, there, message):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a Turing")
    monkeypatch.setattr(arithmetic, "gpu_multiplies_bfloat16", lambda: False)
    protocol = changed(smoke, pretrain={"precision": "bfloat16"}, resources={"gpus": gpus})
    with pytest.raises(ValueError, match=message):
        check(protocol)
    assert arithmetic.matrix_type(smoke.pretrain, torch.device("cuda")) is torch.float32
    with pytest.raises(ValueError, match=r"gpus: 1\.5: above 1 a whole number"):
        changed(smoke, resources={"gpus": 1.5})
    with pytest.raises(ValueError, match=r"gpus: 4: a trial runs on one GPU, or shares one"):
        check(changed(smoke, resources={"gpus": 4}))


def test_a_check_decodes_two_images_of_a_task(smoke, photos, monkeypatch):
    read = []
    monkeypatch.setattr(tasks, "read_file", lambda f: (read.append(f), Image.open(f))[1])
    task = {"name": "imagefolder", "path": str(photos)}
    check(smoke.model_copy(update={"downstream": (Task(**task),)}))
    assert len(read) == 2


def test_images_are_gone_before_fine_tuning(smoke, monkeypatch):
    alive = []
    initialise, begin = engine.Training.__init__, trial._Trial._begin

    def watched(training, *arguments, **options):
        initialise(training, *arguments, **options)
        alive.append(weakref.ref(training.source.tensor))

    monkeypatch.setattr(engine.Training, "__init__", watched)

    def begun(*arguments):
        assert alive[0]() is None
        return begin(*arguments)

    monkeypatch.setattr(trial._Trial, "_begin", begun)
    run({}, smoke)
    assert len(alive) == 2


def test_a_task_that_never_changes_is_loaded_once_per_process(smoke):
    (task,) = smoke.downstream
    size = 9  # of no other test
    first = load(task, image_size=size)
    assert load(task, image_size=size) is first
    assert load(task, image_size=size, room=0) is not first


def test_every_shipped_model_can_be_built(smoke):
    for name in ("smoke", "laptop", "overnight", "gpu", "paper", "paper_base"):
        model = studies.load_protocol(name).model
        check(smoke.model_copy(update={"model": model}))
