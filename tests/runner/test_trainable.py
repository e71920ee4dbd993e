"""A worker without Ray: what becomes of an evaluation that is stopped at a rung."""

import pytest

from explorer import study as studies
from explorer.files import weights_of
from explorer.identity import code
from explorer.runner.trainable import REPORT, EvaluateTrainable
from explorer.scores import Rung, Scores


@pytest.fixture
def configuration(study, tmp_path):
    return {
        "evaluate": None,
        "study": "mine",
        "directory": str(tmp_path),
        "families": ["visual_atom"],
        "code": code(["visual_atom"]),
        "keep": False,
        "arm": "waves",
        "replicate": 2,
        "formula": "visual_atom",
        "protocol": studies.load_protocol("smoke").model_dump(mode="json"),
        "ranges": study.space.complete({}),
        "seed": 0,
    }


def test_a_stopped_trial_leaves_no_checkpoint_and_an_interrupted_one_does(configuration, tmp_path):
    folder = tmp_path / ".explorer" / "checkpoints" / "mine"
    worker = EvaluateTrainable(dict(configuration))
    assert isinstance(worker.step()[REPORT], Rung)
    (stopped,) = folder.iterdir()
    worker.reset({**configuration, "seed": 1})
    assert not stopped.exists()
    assert isinstance(worker.step()[REPORT], Rung)
    worker.stop()
    (interrupted,) = folder.iterdir()
    assert interrupted != stopped


def test_weights_are_left_where_the_study_keeps_them(configuration, tmp_path, monkeypatch):
    asked = []

    def stepwise(*_, **options):
        asked.append(options.get("weights"))
        yield from ()

    monkeypatch.setattr("explorer.trial.stepwise", stepwise)
    worker = EvaluateTrainable({**configuration, "keep": True})
    worker.step()
    for changes in ({"keep": False}, {"keep": True, "ranges": None}):
        worker.reset({**configuration, **changes})
        worker.step()
    assert asked == [tmp_path / weights_of("mine", "waves", 2), None, None]
    worker.stop()


def test_a_finished_trial_is_followed_by_the_next(configuration):
    def evaluate(_ranges, _protocol, *, seed, **_):
        yield Rung(10, 0.5, 2.0, 1.0)
        if seed == 1:
            raise ValueError("no luck")
        return Scores(seed)

    worker = EvaluateTrainable({**configuration, "evaluate": evaluate})
    for seed, last in ((0, Scores(0)), (1, "ValueError: no luck"), (2, Scores(2))):
        if seed:
            worker.reset({**configuration, "evaluate": evaluate, "seed": seed})
        assert isinstance(worker.step()[REPORT], Rung)
        report = worker.step()[REPORT]
        assert getattr(report, "reason", report) == last
    worker.stop()
