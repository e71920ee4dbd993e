"""What samplers and pruners are shown of a study."""

import pytest
from optuna.trial import TrialState, create_trial

from explorer.search.view import arms, slots
from tests.search.test_samplers import SPACE

PARAMS = {"frequency.low": 1, "frequency.high": 20, "noise.low": 0.25, "noise.high": 0.5}


def made(number, arm, replicate, state, value=None, *, params=PARAMS, system=None, **more):
    trial = create_trial(
        state=state,
        values=value if isinstance(value, list) else None,
        value=None if isinstance(value, list) else value,
        params=params,
        distributions={name: SPACE[name] for name in params},
        user_attrs={"arm": arm, "replicate": replicate},
        system_attrs=system or {},
        **more,
    )
    trial.number = number
    trial._trial_id = 100 + number
    return trial


COMPLETE, PRUNED, RUNNING, FAIL, WAITING = (
    TrialState[name] for name in ("COMPLETE", "PRUNED", "RUNNING", "FAIL", "WAITING")
)


def test_an_arm_is_the_mean_of_its_finished_replicates():
    notes = {"cmaes:generation": 3, "tpe:relative_params:0": "{}", "gp:relative_params:0": "{}"}
    shown = arms(
        [
            made(0, "scratch", 0, COMPLETE, 0.1, params={}),
            made(1, "a", 0, FAIL, system=notes),
            made(2, "b", 0, COMPLETE, 0.3),
            made(3, "a", 0, COMPLETE, 0.5),
            made(4, "a", 1, COMPLETE, 0.7),
            made(5, "a", 2, RUNNING),
            made(6, "lost", 0, FAIL),
            made(7, "waits", 0, WAITING, params={}),
        ],
        SPACE,
    )
    assert [(t.number, t._trial_id, t.state) for t in shown] == [
        (0, 101, COMPLETE),
        (1, 102, COMPLETE),
    ]
    assert [t.value for t in shown] == pytest.approx([0.6, 0.3])
    assert shown[0].system_attrs == {"cmaes:generation": 3}


def test_two_objectives_have_a_mean_each():
    shown = arms([made(0, "a", 0, COMPLETE, [0.2, 8]), made(1, "a", 1, COMPLETE, [0.4, 9])], SPACE)
    assert shown[0].values == pytest.approx([0.3, 8.5])


def test_an_arm_that_has_not_finished_shows_how_far_it_is():
    rungs = {"intermediate_values": {128: 0.4}}
    shown = arms(
        [
            made(0, "a", 0, RUNNING),
            made(1, "a", 1, PRUNED, 0.4, **rungs),
            made(2, "b", 0, RUNNING),
        ],
        SPACE,
    )
    assert [(t.state, t.last_step) for t in shown] == [(PRUNED, 128), (RUNNING, None)]


def test_what_is_shown_is_a_copy():
    trials = [made(5, "a", 0, COMPLETE, 0.5), made(6, "a", 1, COMPLETE, 0.7)]
    arms(trials, SPACE)
    slots(trials, shown=lambda _: True, resource=lambda step: step)
    assert [(t.number, t.value) for t in trials] == [(5, 0.5), (6, 0.7)]


def test_a_slot_is_its_best_attempt_at_the_rungs_of_the_protocol():
    shown = slots(
        [
            made(0, "other", 0, COMPLETE, 0.1),
            made(1, "a", 0, FAIL, intermediate_values={128: 0.2}),
            made(2, "a", 1, RUNNING, intermediate_values={128: 0.3}),
            made(3, "a", 0, RUNNING, intermediate_values={128: 0.2, 256: 0.4}),
        ],
        shown=lambda arm: arm == "a",
        resource=lambda images: images // 128,
    )
    assert [(t.number, t._trial_id) for t in shown] == [(0, 103), (1, 102)]
    assert [t.intermediate_values for t in shown] == [{1: 0.2, 2: 0.4}, {1: 0.3}]
