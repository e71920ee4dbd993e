"""The Optuna dashboard of a database, with notes and pictures for its trials.

Whoever runs a study writes nothing for it. The dashboard itself dresses the studies that it shows,
in a thread: it draws the images of a trial anew from its ranges, and writes notes and the list of
pictures where optuna-dashboard looks for them.
"""

from explorer.dashboard.artifacts import open_artifacts
from explorer.dashboard.dresser import Dresser
from explorer.dashboard.server import serving

__all__ = ["Dresser", "open_artifacts", "serving"]
