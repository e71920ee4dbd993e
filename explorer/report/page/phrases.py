"""Parts of sentences: numbers, names and measures as the summary of a study writes them."""

from collections.abc import Sequence

from explorer.report.agreement import Agreement, Estimate
from explorer.report.layout import measure_title
from explorer.report.numerals import p_value, signed, with_interval
from explorer.report.statistics import Difference

MOST_NAMES = 6
"""Arms that are named in a sentence; of more it is said how many they are."""

RHO, TAU = "\N{GREEK SMALL LETTER RHO}", "\N{GREEK SMALL LETTER TAU}"


def points(gain: float) -> str:
    """Write how far apart two accuracies are: ``10.7 points``."""
    return f"{abs(100 * gain):.1f} points"


def interval(found: Difference) -> str:
    """Write the interval of a gain, after a blank; nothing where there is none."""
    if found.low is None or found.high is None:
        return ""
    ends = (signed(100 * end, 1) for end in (found.low, found.high))
    return f" [{', '.join(ends)}]"


def equals(p: float) -> str:
    """Write what follows ``p``: ``= 0.05``, ``< 0.001``."""
    text = p_value(p)
    return text.replace("<", "< ") if text.startswith("<") else f"= {text}"


def excludes_zero(one: Estimate) -> bool:
    """Say whether an estimate has an interval, and zero is outside."""
    return one.low is not None and one.high is not None and (one.low > 0 or one.high < 0)


def rho(one: Estimate) -> str:
    """Write Spearman's coefficient with its interval."""
    return f"{RHO} = {_coefficient(one)}"


def tau(one: Agreement) -> str:
    """Write Kendall's coefficient of observed means and, with its interval, of true ones."""
    true = f" ({_coefficient(one.true)} between true means)" if one.true else ""
    return f"Kendall's {TAU} = {signed(one.observed, 2)}{true}"


def _coefficient(one: Estimate) -> str:
    return with_interval(lambda value: signed(value, 2), one.value, one.low, one.high)


def title(measure: str) -> str:
    """Write the name of a variety measure within a sentence."""
    heading = measure_title(measure)
    # Vendi is a name, other headings are words.
    return f"the {heading}" if heading.startswith("Vendi") else heading[:1].lower() + heading[1:]


def names(arms: Sequence[str]) -> str:
    """Name arms, or the first of many."""
    if len(arms) <= MOST_NAMES:
        return listed(arms)
    return f"{', '.join(arms[:MOST_NAMES])} and {len(arms) - MOST_NAMES} more"


def listed(parts: Sequence[str]) -> str:
    """Join at least one part: ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
