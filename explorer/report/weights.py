"""The weights of an arm, as other tools load them, with a card that says what they are."""

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from statistics import fmean
from typing import Any

from ruamel.yaml import YAML

from explorer import files, store
from explorer.errors import InputError, nearest
from explorer.report.frame import read_attempts, records
from explorer.store import Database, tables


def export_weights(database: Database, study: str, arm: str | None, output: Path) -> Path:
    """Write the weights of an arm as timm loads them, and a model card.

    Args:
        database: The database.
        study: Name of the study, which was run with ``keep: best`` or ``all``.
        arm: Its arm; the one with the best mean accuracy of those whose weights are here where
            ``None``. Of its replicates the best is taken.
        output: A folder that is not there yet: ``model.safetensors``, ``config.json``,
            ``README.md``.

    Returns:
        The folder.

    Raises:
        InputError: There is no such study or arm, no weights of it are here, or the folder is
            there already.
    """
    definition = store.definition(database, study)
    frame = read_attempts(database, study)
    rows = records(frame[frame["state"].eq(tables.COMPLETE)])
    known = sorted({row["arm"] for row in rows})
    if arm is not None and arm not in known:
        raise InputError("ARM", None, arm, f"has no finished replicate; {nearest(arm, known)}")
    folders = {row["id"]: files.weights_of(study, row["arm"], row["replicate"]) for row in rows}
    here = [r for r in rows if folders[r["id"]].is_dir() and arm in {None, r["arm"]}]
    if not here:
        place = folders[rows[0]["id"]].parent if rows else files.weights_of(study, "", 0).parent
        remedy = f"no weights in {place}; run it in this folder with --set keep=best or keep=all"
        raise InputError("study", None, study, remedy)
    if output.exists():
        raise InputError("--output", None, str(output), "is there already; name another folder")
    of_arm = {row["arm"]: [r["accuracy"] for r in here if r["arm"] == row["arm"]] for row in here}
    best = max(of_arm, key=lambda name: fmean(of_arm[name]))
    row = max((r for r in here if r["arm"] == best), key=lambda r: float(r["accuracy"]))
    part = output.with_name(f"{output.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        shutil.copytree(folders[row["id"]], part)
        (part / "README.md").write_text(_card(study, row, rows, definition), encoding="utf-8")
        part.rename(output)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise InputError("--output", None, str(output), f"cannot be written: {error}") from error
    return output


def long_run(
    database: Database, study: str, arm: str | None, protocol: str, seed: int
) -> tuple[str, str]:
    """Write the study that trains one arm of another at length.

    Args:
        database: The database.
        study: Name of the study that was searched in.
        arm: Its arm; of those that are pre-trained on a formula the best where ``None``.
        protocol: Name or file of the protocol of the long run.
        seed: Its seed.

    Returns:
        Name and content of its file.

    Raises:
        InputError: There is no such study, or no such arm that a formula was drawn for.
    """
    store.definition(database, study)
    frame = read_attempts(database, study)
    rows = [r for r in records(frame) if "formula" in r and any(k.endswith(".low") for k in r)]
    scores: dict[str, list[float]] = {r["arm"]: [] for r in rows}
    for row in rows:
        scores[row["arm"]] += [row["accuracy"]] if "accuracy" in row else []
    if arm is not None and arm not in scores:
        remedy = f"no arm that draws from a formula; {nearest(arm, sorted(scores))}"
        raise InputError("ARM", None, arm, remedy)
    scored = {name: fmean(values) for name, values in scores.items() if values}
    if arm is None and not scored:
        raise InputError("study", None, study, "no arm has a score yet; name one, STUDY:ARM")
    chosen = arm or max(scored, key=lambda name: scored[name])
    row = next(r for r in rows if r["arm"] == chosen)
    name = _file_name(f"{study}-{chosen}-{Path(protocol).stem}")
    own = chosen.replace("sample-", "sampled-")  # samples are named so, and arms are not
    content = {
        "description": f"Arm {chosen} of {study}, at length.",
        "search_space": row["formula"],
        "protocol": protocol,
        "baseline": own,
        "controls": [],
        "replicates": 1,
        "seed": seed,
        "keep": "all",
        "arms": {own: _ranges(row)},
    }
    return name, _yaml(content)


def _file_name(name: str) -> str:
    """Return a name that a study's file may have: those of studies@protocols may not."""
    plain = re.sub(r"[^A-Za-z0-9_.+-]", "_", name)
    if len(plain) <= 64:
        return plain
    return f"{plain[:55]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _ranges(row: Mapping[str, Any]) -> dict[str, Any]:
    ends = [key.removesuffix(".low") for key in row if key.endswith(".low")]
    return {
        p: [
            int(end) if float(end).is_integer() else end
            for end in (row[f"{p}.low"], row[f"{p}.high"])
        ]
        for p in ends
    }


def _card(
    study: str, row: Mapping[str, Any], rows: list[dict[str, Any]], definition: Mapping[str, Any]
) -> str:
    """Return the model card of a replicate, in Markdown with the front matter of the hub."""
    arm = row["arm"]
    protocol = (definition.get("arm_protocols") or {}).get(arm) or definition["protocol"]
    name = definition["protocol"]["name"]
    accuracies = [100 * r["accuracy"] for r in rows if r["arm"] == arm]
    scores = {
        key: row[key]
        for key in row
        if key == "accuracy" or key.startswith(("accuracy.", "companions.", "variety."))
    }
    numbers = "\n".join(f"| {key} | {value:.4g} |" for key, value in scores.items())
    return f"""---
library_name: timm
pipeline_tag: image-classification
tags: [timm, fdsl, formula-driven-supervised-learning]
---
# {study}: {arm}

Pre-trained on images of the formula `{row["formula"]}` under the protocol `{name}`, with seed
{row["seed"]}: replicate {row["replicate"]} of {len(accuracies)}, whose mean downstream accuracy is
{fmean(accuracies):.1f} %. No photograph was used before fine-tuning.

```python
import timm

model = timm.create_model("local-dir:FOLDER", pretrained=True, num_classes=10)
```

Ranges that every category draws its parameters from:

```yaml
{_yaml(_ranges(row))}```

| score of this replicate | |
| --- | ---: |
{numbers}

Protocol:

```yaml
{_yaml({key: value for key, value in protocol.items() if key not in {"name", "digest"}})}```
"""


def _yaml(content: Mapping[str, Any]) -> str:
    text = StringIO()
    writer: Any = YAML(typ="safe")
    writer.default_flow_style = None  # lists on a line, mappings on several
    writer.sort_base_mapping_type_on_output = False
    writer.dump(json.loads(json.dumps(content)), text)
    return text.getvalue()
