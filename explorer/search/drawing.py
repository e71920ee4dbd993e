"""Asking a study's sampler for the ranges of its next sample."""

import optuna
from optuna.trial import TrialState, create_trial

from explorer import store as db
from explorer.search.samplers import make_sampler
from explorer.search.space import distributions
from explorer.study import Study


def draw(opened: optuna.Study, study: Study, taken: db.Taken, sample: int) -> dict[str, float]:
    """Return the parameters of a sample, by name.

    As ``Study.ask`` and ``Trial.suggest_*`` would, but without writing them one by one.

    Args:
        opened: The Optuna study.
        study: What the study asks for.
        taken: The trial that the sample is drawn for; samplers leave notes on it.
        sample: Index of the sample, from 0.
    """
    assert study.file.sampler is not None  # noqa: S101 - the caller has looked
    space = distributions(study)
    sampler = make_sampler(
        study.file.sampler.name, seed=study.file.seed, sample=sample, space=space
    )
    trial = create_trial(state=TrialState.RUNNING, user_attrs=taken.attrs)
    trial.number, trial._trial_id = taken.number, taken.trial_id  # noqa: SLF001 - as Optuna does
    sampler.before_trial(opened, trial)
    found = sampler.sample_relative(opened, trial, space)
    # As whole numbers where the distribution has these, whatever type the sampler has.
    return {
        name: one.to_external_repr(one.to_internal_repr(found[name])) for name, one in space.items()
    }
