"""A study that has come across all that can happen to one."""

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from explorer import store as db
from tests.store import put


@pytest.fixture
def fill():
    """Write a study with trials of every state, an epoch curve, a run and a result."""

    def write(storage: db.Database, name: str) -> list[int]:
        with db.Run(storage, name, "arms: {}\n") as run:
            study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
            study.set_user_attr("definition", {"seed": 0, "ä": [1, None]})
            space = {
                "low": IntDistribution(0, 60),
                "high": FloatDistribution(0.1, 200.0, log=True),
                "kind": CategoricalDistribution(("one", None, 2.5)),
            }
            for state in TrialState:
                done = state.is_finished()
                template = create_trial(
                    state=state,
                    value=0.1 + 0.2 if state in {TrialState.COMPLETE, TrialState.PRUNED} else None,
                    params={"low": 7, "high": 1 / 3, "kind": None},
                    distributions=space,
                    user_attrs={"arm": state.name, "replicate": 0, "run": run.run_id},
                    system_attrs={"fixed_params": {"low": 7}},
                    intermediate_values={128: 1 / 7, 256: 2 / 7} if done else {},
                )
                study.add_trial(template)
            study.trials  # noqa: B018 - the trial that waits has no time yet
            trials = [trial._trial_id for trial in study.trials]
            complete = trials[TrialState.COMPLETE.value]
            row = {"images_seen": 128, "loss": 1 / 3, "seconds": 0.5}
            curve = [{"phase": "pretrain", "epoch": e, "accuracy": None, **row} for e in (1, 2)]
            put.add_epochs(storage, complete, [*curve, {**curve[0], "phase": "finetune"}])
            put.remember(storage, (name * 64)[:64], complete)
        return trials

    return write
