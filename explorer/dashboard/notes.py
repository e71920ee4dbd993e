"""What is written of a trial and of a study, in Markdown."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from explorer import store as db
from explorer.report import StudyStatus, numerals
from explorer.variety import MEASURES

MISSING = numerals.MISSING
SHOWN_ARMS = 20

# A definition of a link that nobody refers to: what Markdown has for a comment.
_SIGNATURE = "\n\n[//]: # (explorer "


def trial_note(trial: FrozenTrial, sheet: str | None) -> str:
    """Return the note of a trial: its arm, outcome, images, ranges, rungs and variety.

    Args:
        trial: A trial of ours, in any state.
        sheet: Where its contact sheet is in the dashboard, if there is one.
    """
    attrs = trial.user_attrs
    parts = [
        f"## {_text(attrs.get('arm', 'no arm'))}, replicate {attrs.get('replicate', MISSING)}",
        _outcome(trial),
        _origin(trial),
        f"![The first images of the first categories]({sheet})" if sheet else "",
        _ranges(attrs),
        _rungs(trial),
        _variety(attrs),
        _text(attrs.get("remarks") or ""),
    ]
    return signed(parts)


def study_note(found: StudyStatus) -> str:
    """Return the note of a study: what it asks, how far it is, and its arms."""
    state = found.progress
    counts = {
        "done": state.done,
        "running": state.running,
        "waiting": state.waiting,
        "failed": state.failed,
    }
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    arms = sorted(
        (arm for arm in found.arms if arm.accuracy),
        key=lambda arm: arm.accuracy.mean if arm.accuracy else 0.0,
        reverse=True,
    )
    rows = [
        [
            _text(arm.name),
            numerals.mean_std(arm.accuracy.mean, arm.accuracy.std) if arm.accuracy else MISSING,
            str(arm.complete),
            str(arm.failed),
        ]
        for arm in arms[:SHOWN_ARMS]
    ]
    cut = f"The best {SHOWN_ARMS} of {len(arms)} arms. " if len(arms) > SHOWN_ARMS else ""
    return signed(
        [
            f"## {_text(found.study)}",
            _text(found.description),
            f"Protocol {_text(found.protocol or MISSING)}; of {state.total} trials {said}.",
            _table(["arm", "accuracy [%]>", "n>", "failed>"], rows) if rows else "",
            f"{cut}`explorer report {found.study}` has the statistics." if rows else "",
        ]
    )


def signed(parts: Iterable[str]) -> str:
    """Join the paragraphs of a note and sign it, so that one that a person changed is known."""
    body = "\n\n".join(part for part in parts if part)
    return f"{body}{_SIGNATURE}{_digest(body)})"


def is_ours(note: str) -> bool:
    """Say whether a note may be replaced: it is empty, or stands as it was signed."""
    body, signature, digest = note.rpartition(_SIGNATURE)
    return not note or bool(signature and digest == f"{_digest(body)})")


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def _outcome(trial: FrozenTrial) -> str:
    attrs = trial.user_attrs
    if trial.state == TrialState.COMPLETE:
        return f"**{_percent(float(trial.values[0]))}** top-1 {_tasks(attrs)}{_where(attrs)}."
    if trial.state == TrialState.PRUNED:
        return f"**Stopped early**: {_text(attrs.get('stopped') or 'no reason given')}."
    if trial.state == TrialState.FAIL:
        return f"**Failed**: {_code(attrs.get('failure') or 'no reason given')}"
    return f"**{trial.state.name.capitalize()}.**"


def _tasks(attrs: Mapping[str, Any]) -> str:
    scores = {
        _text(key.removeprefix("accuracy.")): value
        for key, value in attrs.items()
        if key.startswith("accuracy.")
    }
    if len(scores) > 1:
        said = ", ".join(f"{task} {_percent(value)}" for task, value in scores.items())
        return f"in the mean of {said}"
    return f"on {', '.join(scores)}" if scores else ""


def _where(attrs: Mapping[str, Any]) -> str:
    total, host, device = (attrs.get(key) for key in ("seconds.total", "host", "device"))
    took = f", in {numerals.duration(total)}" if total is not None else ""
    return took + (f" on {_text(host)} ({_text(device or MISSING)})" if host else "")


def _percent(share: float) -> str:
    return f"{numerals.percent(share)} %"


def _origin(trial: FrozenTrial) -> str:
    attrs = trial.user_attrs
    attempt, continues = attrs.get("attempt") or 1, attrs.get("continues")
    parts = [f"Seed {attrs['seed']}"] if "seed" in attrs else []
    if attempt > 1:
        parts.append(f"attempt {attempt}")
    if continues is not None:
        parts.append(f"takes up trial {continues}")
    if attrs.get("cached_from"):
        parts.append(f"its result was taken from {_text(attrs['cached_from'])}")
    return f"{', '.join(parts)}." if parts else ""


def _ranges(attrs: Mapping[str, Any]) -> str:
    ranges = attrs.get("ranges")
    if ranges is None:
        return "From scratch: not pre-trained."
    rows = [[_text(name), _text(numerals.span(low, high))] for name, (low, high) in ranges.items()]
    head = [_text(attrs.get("formula") or "images"), "range"]
    return _table(head, rows) if rows else ""


def _rungs(trial: FrozenTrial) -> str:
    values = db.rung_values(trial)
    noted = trial.user_attrs.get("rungs") or {}
    rows = []
    for step, value in values.items():
        loss = (noted.get(str(step)) or {}).get("loss")
        rows.append([f"{step:,}", numerals.percent(value), _number(loss)])
    return _table(["images seen>", "probe [%]>", "loss>"], rows) if rows else ""


def _variety(attrs: Mapping[str, Any]) -> str:
    rows = [
        [measure.title, _number(attrs[key]), measure.unit]
        for name, measure in MEASURES.items()
        if (key := f"variety.{name}") in attrs
    ]
    return _table(["variety", "value>", "unit"], rows) if rows else ""


def _number(value: float | None) -> str:
    if value is None:
        return MISSING
    return numerals.significant(value) if math.isfinite(value) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table; headings that end in ``>`` are those of numbers."""
    rule = ["---:" if name.endswith(">") else ":---" for name in head]
    # The dashboard gives its tables no room between columns: an en space it does not trim.
    lines = [[f"\N{EN SPACE}{cell.rstrip('>')}" for cell in cells] for cells in (head, *rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (lines[0], rule, *lines[1:]))


def _text(said: object) -> str:
    """Write a text so that Markdown shows it as it is, on one line."""
    line = " ".join(str(said).split())
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>|#!~" else c for c in line)


def _code(said: object) -> str:
    """Write a text as code, on one line; a backtick, which would end it, as an apostrophe."""
    return f"`{' '.join(str(said).split()).replace('`', chr(39))}`"
