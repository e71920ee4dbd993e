"""The few sentences about a study."""

# ruff: noqa: RUF001 - the tables have typographic dashes

from explorer.report import sentences, summarise
from tests.report import rows

MINUS = "\N{MINUS SIGN}"


def test_a_finished_study(studies):
    assert sentences(summarise(studies, "ablation")) == (
        "Study ablation compares 4 arms under protocol laptop (finished).",
        (
            "The best arm is best_practice (frequency 0–20) with an accuracy on digits of "
            "81.7 ± 1.5 % (n = 3), 10.7 points above the baseline scratch [+7.5, +13.8], which is "
            "significant (corrected p = 0.003)."
        ),
        (
            "It is not significantly different from the second best, high (2.0 points, uncorrected "
            "p = 0.18)."
        ),
    )


def test_a_study_on_its_way(studies):
    assert sentences(summarise(studies, "unfinished")) == (
        "Study unfinished compares 4 arms under protocol laptop (3 of 12 trials done).",
        (
            "The best arm is best_practice (frequency 0–20) with an accuracy on digits of 80.0 % "
            "(n = 1), 10.0 points above the baseline scratch (untested: one replicate)."
        ),
        "Its lead of 10.0 points over the second best, scratch, is untested (one replicate).",
        "1 of 12 trials failed with: ValueError: loss is nan.",
    )


def test_never_more_than_four(studies):
    result = sentences(summarise(studies, "sampled"))
    assert len(result) == 4
    assert f"[{MINUS}7.0, +9.6], which is not significant" in result[1]
    assert result[3] == "1 of 52 trials failed with: CUDA out of memory."


def test_the_baseline_may_be_the_best_and_arms_may_be_equal(database):
    entries = [rows.row(arm, r, 0.5 + r / 10) for arm in ("scratch", "none") for r in (0, 1)]
    result = sentences(summarise(database, rows.make_study(database, "s", entries)))
    assert result[1].endswith("; it is the baseline.")
    assert result[2:] == ("none has the same mean.",)
