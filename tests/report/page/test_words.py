"""Every sentence of a summary follows from numbers."""

from dataclasses import replace

import pytest
from optuna.trial import TrialState

from explorer.report import correlations, summarise
from explorer.report.agreement import Agreement, Estimate
from explorer.report.fidelity import Fidelity, FidelityReport
from explorer.report.page import phrases, words
from tests.report.conftest import ARMS, SCORES, failure, finished_trials, trial

RUNNING = TrialState.RUNNING


def made(make_study, scores, **changes):
    """Summarise a study of these accuracies by arm; its baseline is scratch unless told."""
    trials = [
        trial(arm, i, value, frequency=None if ARMS[arm] is None else tuple(ARMS[arm]["frequency"]))
        for arm, values in scores.items()
        for i, value in enumerate(values)
    ]
    arms = {arm: ARMS[arm] for arm in scores}
    return summarise(make_study(trials, **{"arms": arms, **changes}))


def test_a_finished_study_has_nothing_to_say_of_its_state(study):
    assert words.on_state(summarise(study)) == ""


def test_an_unfinished_study_says_so_first(make_study):
    trials = [*finished_trials()[:7], failure("high", 1, "x"), trial("none", 2, state=RUNNING)]
    report = summarise(make_study(trials))
    said = (
        "This study is not finished: 7 of 12 trials have come to a result, 1 running, 3 waiting, "
        "1 failed. All that follows may change."
    )
    assert words.on_state(report) == said
    assert words.summary(report, {}, None, {"x": 1})[0] == said


def test_the_best_arm_and_its_mean(study):
    assert words.on_best(summarise(study)) == (
        "Of 4 arms with a score, best_practice (frequency 0\N{EN DASH}20) has the highest mean "
        "accuracy on digits: 81.7 ± 1.5 % (mean ± standard deviation, n = 3)."
    )


def test_one_arm_alone_is_the_best_of_nothing(make_study):
    report = summarise(make_study([trial("none", 0, 0.8, frequency=(0, 0))]))
    assert words.on_best(report) == (
        "Only one arm has a score: none (frequency 0) with an accuracy on digits of 80.0 % (n = 1)."
    )
    assert words.on_gain(report) == words.on_lead(report) == ""


def test_a_gain_that_is_resolved(study):
    assert words.on_gain(summarise(study)) == (
        "It is 10.7 points above the baseline scratch [+7.5, +13.8], which chance does not explain "
        "(p = 0.003 after Holm's correction over 3 arms)."
    )


def test_a_gain_that_may_be_chance(make_study):
    report = made(make_study, {"scratch": [0.70, 0.72, 0.71], "none": [0.69, 0.73, 0.72]})
    assert words.on_gain(report) == (
        "It is 0.3 points above the baseline scratch [\N{MINUS SIGN}4.0, +4.7]; its replicates do "
        "not tell that from chance (p = 0.82)."
    )


def test_a_gain_without_a_test(make_study):
    report = made(make_study, {"scratch": [0.7], "none": [0.8]}, replicates=1)
    assert words.on_gain(report) == (
        "It is 10.0 points above the baseline scratch; there is no test of that (one replicate)."
    )
    assert words.on_lead(report) == (
        "Its lead over the second best, scratch, is 10.0 points and untested (one replicate)."
    )


def test_a_baseline_that_is_the_best(make_study):
    report = made(make_study, SCORES, baseline="best_practice")
    assert words.on_gain(report) == "It is the baseline itself: no arm has a higher mean."


def test_a_baseline_without_a_trial(make_study):
    trials = [trial("none", 0, 0.8), trial("high", 0, 0.7)]
    assert words.on_gain(summarise(make_study(trials))) == (
        "The baseline scratch has no finished trial, so that no gain can be given."
    )


def test_a_lead_that_may_be_chance(study):
    assert words.on_lead(summarise(study)) == (
        "It is not told apart from the second best, high (2.0 points [\N{MINUS SIGN}1.5, +5.5], "
        "p = 0.18, uncorrected)."
    )


def test_a_lead_that_is_resolved(make_study):
    report = made(make_study, {"none": [0.5, 0.51], "high": [0.8, 0.81]}, baseline="none")
    assert words.on_lead(report).startswith(
        "It is told apart from the second best, none, as well (30.0 points ["
    )


def test_a_shared_lead(make_study):
    report = made(make_study, {"none": [0.5, 0.6], "high": [0.5, 0.6]})
    assert words.on_lead(report) == "high has the same mean."


def test_a_choice_among_samples_is_owned_up_to(make_study):
    trials = [trial(f"sample-{i:04d}", 0, 0.5 + i / 10, frequency=(i, 9)) for i in range(3)]
    changes = {"arms": {"scratch": None}, "sampler": {"name": "qmc", "samples": 3}}
    report = summarise(make_study([trial("scratch", 0, 0.4), *trials], replicates=1, **changes))
    assert words.on_choice(report) == (
        "It was chosen among 3 sampled arms by the accuracy that is reported here, which is "
        "therefore too high; new seeds would show by how much."
    )
    better = summarise(make_study([trial("scratch", 0, 0.9), *trials], replicates=1, **changes))
    assert words.on_choice(better) == ""


def test_what_is_told_apart_and_what_is_not(study):
    assert words.on_apart(summarise(study)) == (
        "Of 3 arms tested against scratch, 2 above it (best_practice and high) are told apart "
        "(corrected p below 0.05). Not told apart: none."
    )


def test_arms_below_the_baseline_are_told_apart_too(make_study):
    scores = {**SCORES, "none": [0.50, 0.51, 0.50]}
    assert words.on_apart(made(make_study, scores)) == (
        "Of 3 arms tested against scratch, 2 above it (best_practice and high) and 1 below it "
        "(none) are told apart (corrected p below 0.05)."
    )


def test_nothing_is_told_apart(make_study):
    scores = {"scratch": [0.7, 0.72], "none": [0.69, 0.73], "high": [0.7, 0.73]}
    assert words.on_apart(made(make_study, scores)) == (
        "Of 2 arms tested against scratch, none is told apart from it (corrected p below 0.05)."
    )


def test_many_names_are_counted():
    assert phrases.names(["a"]) == "a"
    assert phrases.names(list("abcdef")) == "a, b, c, d, e and f"
    assert phrases.names(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"


def many_arms(make_study, measure):
    """Five arms of two replicates; one measure of variety, from replicate, index and accuracy."""
    arms = {f"a{i}": {"frequency": [i, i]} for i in range(5)}
    trials = []
    for i, arm in enumerate(arms):
        for r in range(2):
            accuracy = 0.5 + i / 10 + r / 100
            one = trial(arm, r, accuracy, frequency=(i, i))
            for name in [k for k in one.user_attrs if k.startswith("variety.")]:
                del one.user_attrs[name]
            one.user_attrs["variety.edge_density"] = measure(i, r)
            trials.append(one)
    return summarise(make_study(trials, arms=arms, replicates=2, baseline="a0"))


def test_accuracy_goes_with_variety(make_study):
    said = words.on_variety(correlations(many_arms(make_study, lambda i, r: -i - r / 10)))
    rho = "\N{GREEK SMALL LETTER RHO} = \N{MINUS SIGN}1.00"
    assert said.startswith(f"Accuracy goes down with edge density ({rho} [")
    assert said.endswith("(rank correlations over trials).")


def test_accuracy_goes_with_no_variety(make_study):
    report = many_arms(make_study, lambda i, r: (3, 1, 5, 2, 4)[i] + r / 10)
    said = words.on_variety(correlations(report))
    assert said.startswith(
        "Accuracy goes clearly with none of 1 variety measure; the strongest rank correlation over "
        "trials is that with edge density, "
    )


def test_too_few_arms_for_variety(study):
    assert words.on_variety(correlations(summarise(study))) == (
        "How accuracy goes with the variety of the images cannot be said of so few arms: a rank "
        "correlation over fewer than four has no interval."
    )


def test_the_pareto_front(make_study):
    objectives = [{"accuracy": "maximize"}, {"variety.vendi_features": "maximize"}]
    report = made(make_study, SCORES, objectives=objectives)
    assert words.on_front(report) == (
        "On the Pareto front of accuracy and the Vendi score are best_practice and high."
    )
    assert words.on_front(made(make_study, SCORES)) == ""


def measurement(protocol, kendall, best, single=None):
    nothing = Estimate(0.5, None, None, 4)
    return Fidelity(
        protocol, "accuracy", 100, 1.0, 4, 12, nothing, kendall, kendall, single, best, None
    )


def compared(reference, *single):
    tau = {
        "laptop": Agreement(0.67, Estimate(0.72, 0.3, 1, 4), 4),
        "gpu": Agreement(0.33, None, 4),
        reference: None,
    }
    known = zip(("laptop", "gpu"), (0.42, 0.9), single or (None, None), strict=True)
    rows = tuple(measurement(name, tau[name], best, one) for name, best, one in known)
    return FidelityReport("frequency_range", reference, "frequency_range", {}, rows, 0)


TAU = "Kendall's \N{GREEK SMALL LETTER TAU}"


def test_fidelity_against_a_longer_protocol(study):
    assert words.on_fidelity(summarise(study), compared("gpu")) == (
        f"laptop orders the arms as the longer gpu does with {TAU} = +0.67 (+0.72 [+0.30, +1.00] "
        "between true means) over 4 arms; one trial an arm would pick the best arm of gpu with a "
        "chance of 42 %."
    )
    assert words.on_fidelity(summarise(study), compared("gpu", -0.48, 0.71)).endswith(
        f"of 42 %. One trial an arm agrees with it by {TAU[-1]} = \N{MINUS SIGN}0.48 in the mean, "
        "one trial more of gpu itself by +0.71."
    )


def test_fidelity_of_the_longest_protocol(study):
    assert words.on_fidelity(summarise(study), compared("laptop")) == (
        "laptop is the longest protocol that the study has finished under. The shorter ones order "
        f"the arms as it does: gpu with {TAU} = +0.33."
    )


@pytest.mark.parametrize("known", [None, FidelityReport("x", "gpu", "x", {}, (), 0)])
def test_fidelity_that_is_not_known(study, known):
    assert words.on_fidelity(summarise(study), known) == (
        "Whether laptop orders the arms as a longer protocol would is not known: the study has "
        "finished under no other one."
    )


def test_failures_with_their_reason(make_study):
    report = summarise(make_study([*finished_trials()[:-2], failure("none", 2, "a")]))
    report = replace(report, progress=replace(report.progress, complete=10, failed=2))
    assert words.on_failures(report, {"ValueError: bad": 2}) == (
        "2 of 12 trials failed with: ValueError: bad."
    )
    assert words.on_failures(report, {"a": 1, "ValueError: bad!": 4}) == (
        "2 of 12 trials failed, most often (4 times) with: ValueError: bad!"
    )


def test_no_failure(study, make_study):
    assert words.on_failures(summarise(study), {}) == "No trial failed."
    assert words.on_failures(summarise(make_study(finished_trials()[:3])), {}) == ""


def test_what_was_stopped_early(make_study):
    trials = finished_trials()
    trials[7] = trial("high", 1, 0.1, state=TrialState.PRUNED, frequency=(20, 60))
    report = summarise(make_study(trials, pruner={"name": "median"}))
    assert words.on_stopped(report) == (
        "1 of 12 trials was stopped early by the pruner median and counts in no mean."
    )
    assert words.on_stopped(summarise(make_study(finished_trials()))) == ""


def test_a_summary_is_these_sentences_in_paragraphs(study):
    report = summarise(study)
    assert words.summary(report, correlations(report), None, {}) == (
        f"{words.on_best(report)} {words.on_gain(report)} {words.on_lead(report)}",
        words.on_apart(report),
        words.on_variety(correlations(report)),
        words.on_fidelity(report, None),
        "No trial failed.",
    )
