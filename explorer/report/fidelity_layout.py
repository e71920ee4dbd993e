"""The table of a study's fidelity: a row a measurement."""

from explorer.report import latent, numerals
from explorer.report.agreement import Agreement, Estimate
from explorer.report.fidelity import Fidelity, FidelityReport
from explorer.report.layout import Cell, Column, Layout
from explorer.report.numerals import MISSING

_COLUMNS = (
    Column("Protocol", text=True),
    Column("Measured by", text=True),
    Column("Images"),
    Column("Seconds"),
    Column("n"),
    Column("Intraclass correlation"),
    Column("Kendall's tau"),
    Column("Spearman's rho"),
    Column("Tau of true means"),
    Column("Tau of one trial"),
    Column("Best picked [%]"),
    Column("Loss [points]"),
)


def lay_out_fidelity(report: FidelityReport) -> Layout:
    """Arrange the fidelity of a study as the table of a paper."""
    rows = tuple(_row(found) for found in report.rows)
    return Layout(_COLUMNS, rows, len(rows), tuple(_caption(report)))


def _row(found: Fidelity) -> tuple[Cell, ...]:
    words = {"accuracy": "fine-tuning", "loss": "pre-training loss"}
    measured = words.get(found.measurement, found.measurement)
    reference = found.kendall is None and found.best is not None and found.arms > 2
    cells = [
        found.protocol,
        measured,
        MISSING if found.images is None else str(found.images),
        MISSING if found.seconds is None else numerals.significant(found.seconds, 2),
        str(found.trials),
        _estimate(found.intraclass),
        "reference" if reference else _observed(found.kendall),
        _observed(found.spearman),
        _estimate(found.kendall.true if found.kendall else None),
        MISSING if found.single is None else _number(found.single),
        MISSING if found.best is None else numerals.percent(found.best, 0),
        MISSING if found.loss is None else numerals.percent(found.loss),
    ]
    return tuple(Cell(text) for text in cells)


def _estimate(estimate: Estimate | None) -> str:
    if estimate is None:
        return MISSING
    return numerals.with_interval(_number, estimate.value, estimate.low, estimate.high)


def _observed(agreement: Agreement | None) -> str:
    return MISSING if agreement is None else _number(agreement.observed)


def _number(value: float) -> str:
    return numerals.fixed(value, 2)


def _caption(report: FidelityReport) -> list[str]:
    best = next(iter(report.arms))
    text = (
        f"Fidelity of study {report.study}: how well a measurement orders the arms as fine-tuning "
        f"under {report.reference} does, the longest protocol (arms pre-trained only). "
        "Seconds: mean wall-clock time of a trial up to there; n: trials measured. "
        "Intraclass correlation: share of the variance of single trials that is between arms, "
        "with its 95 % confidence interval. "
        "Tau, rho: rank correlation of the arms' observed means with those of the reference. The "
        f"scatter of replicates weakens it; tau of true means is without it: {latent.SAID}. "
        "Tau of one trial: that of single trials, one an arm, in the mean; a trial of the longest "
        "protocol is compared with its others, so that its end is what one more run agrees in. "
        f"Best picked: chance that one trial an arm picks {best}, the best of the reference; "
        "loss: what the arm picked so lacks in the reference, in the mean. "
        f"Order in the reference: {', '.join(_arms(report))}."
    )
    said = [text]
    if report.missing:
        said.append(
            f"Preliminary: {numerals.count(report.missing, 'trial')} of those planned "
            f"{'is' if report.missing == 1 else 'are'} not complete."
        )
    return said


def _arms(report: FidelityReport) -> list[str]:
    return [f"{arm} {numerals.percent(mean)}" for arm, mean in report.arms.items()]
