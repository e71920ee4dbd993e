"""Ray Tune drives trials; the Optuna study in the database says which."""

from explorer.runner.driver import run_study
from explorer.runner.listener import Listener
from explorer.runner.submit import submit

__all__ = ["Listener", "run_study", "submit"]
