"""Optuna trials for made-up studies: an arm is a trial, as a run leaves them."""

import json
from statistics import fmean

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from explorer import store
from explorer.report import load
from explorer.store import Database


def add_trials(database: Database, name: str) -> optuna.Study:
    """Give a study a trial per arm that is a point of its search space, and return it."""
    study = store.optuna_study(database, name)
    definition = store.definition(database, name)
    space = definition["search_space"]["parameters"]
    varied = [*dict.fromkeys([p for r in definition["arms"].values() for p in r or {}])]
    varied = [*dict.fromkeys([*varied, *definition["vary"]])]
    second = len(definition["objectives"]) > 1
    for arm, rows in load(database, name).groupby("arm", sort=False):
        scored = rows[rows["state"] == "COMPLETE"]
        first = rows.iloc[0]
        if scored.empty or not isinstance(first["formula"], str):
            continue
        params: dict[str, float] = {}
        kinds: dict[str, BaseDistribution] = {}
        for parameter in varied:
            low, high = first[f"{parameter}.low"], first[f"{parameter}.high"]
            (least, most), (_, top) = space[parameter]["low"], space[parameter]["high"]
            params[f"{parameter}.low"] = low
            params[f"{parameter}.share"] = (high - low) / (top - low) if top > low else 0.0
            kinds[f"{parameter}.low"] = FloatDistribution(least, most)
            kinds[f"{parameter}.share"] = FloatDistribution(0, 1)
        values = [
            fmean(scored[objective]) for entry in definition["objectives"] for objective in entry
        ]
        trial = create_trial(
            state=TrialState.COMPLETE,
            values=values,
            params=params,
            distributions=kinds,
            user_attrs={"arm": arm, "n": len(scored), "ranges": json.dumps({})},
            intermediate_values={} if second else {4096: 0.3, 8192: 0.4 + values[0] / 10},
        )
        trial.datetime_start = first["started"].to_pydatetime()
        trial.datetime_complete = rows["ended"].max().to_pydatetime()
        study.add_trial(trial)
    return study
