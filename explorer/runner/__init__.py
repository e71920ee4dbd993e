"""Ray Tune calls :func:`explorer.trial.evaluate`; the queue in the database says on what."""

from explorer.runner.driver import run_study
from explorer.runner.submit import Job, submit

__all__ = ["Job", "run_study", "submit"]
