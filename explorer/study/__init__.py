"""What a study is: its search space, its arms or sampler, and the protocol it runs under.

The three files are read with :func:`load_study`, which returns a :class:`Study` in which every
name has been looked up and every range checked, or raises one
:class:`~explorer.errors.InputError` that names file, key, value and remedy.
"""

from explorer.study.loading import load_studies, load_study
from explorer.study.protocol import Protocol, Resources, load_protocol, protocol_digest
from explorer.study.reading import Range, parse_range
from explorer.study.space import SearchSpace, check_ranges, find_formula, load_search_space
from explorer.study.study import ACCURACY, CONTROLS, Study

__all__ = [
    "ACCURACY",
    "CONTROLS",
    "Protocol",
    "Range",
    "Resources",
    "SearchSpace",
    "Study",
    "check_ranges",
    "find_formula",
    "load_protocol",
    "load_search_space",
    "load_studies",
    "load_study",
    "parse_range",
    "protocol_digest",
]
