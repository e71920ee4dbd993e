"""Our figures of a study, for the dashboard's page of graphs."""

import optuna

from explorer.errors import InputError
from explorer.report import figures

MOST_TRIALS = 1000
"""A larger study has none of our graphs here: drawing them would hold up the dashboard."""

MOST_CHARACTERS = 100_000
"""A graph of more is left out: it would be read with every attribute of the study."""

NAME = "explorer-"
"""What the names of our graphs begin with, beside those that a person has saved."""


def graphs(study: optuna.Study) -> dict[str, str]:
    """Draw the figures of a study.

    Returns:
        Plotly's JSON of each by name; nothing of a study that has no result yet, or that has more
        than :data:`MOST_TRIALS` trials.
    """
    if len(study.get_trials(deepcopy=False)) > MOST_TRIALS:
        return {}
    try:
        material = figures.gather(study)
    except InputError:
        return {}
    found = {}
    for name, one in figures.interactive(material).items():
        figures.below_page(one.figure, one.strips)
        top = (one.figure.layout.margin.t or 0) + 40
        height = one.figure.layout.height and one.figure.layout.height + 40
        one.figure.update_layout(title={"text": one.title}, margin_t=top, height=height)
        text = one.figure.to_json()
        if len(text) <= MOST_CHARACTERS:
            found[NAME + name] = text
    return found
