"""Where the next ranges come from: arms, replicates and samplers over an Optuna study."""

from explorer.search.opening import open_study
from explorer.search.proposal import Proposal
from explorer.search.queue import Queue
from explorer.search.space import distributions, to_params, to_ranges

__all__ = ["Proposal", "Queue", "distributions", "open_study", "to_params", "to_ranges"]
