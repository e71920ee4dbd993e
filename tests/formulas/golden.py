"""The golden pixels of every family: how they are read, and how those of a new version are kept.

``python -m tests.formulas.golden FAMILY`` records the pixels that the family draws now. It refuses
where the family's version has been recorded with other pixels: raise ``version`` first.
"""

import hashlib
import json
import sys
from pathlib import Path

from explorer import formulas

FOLDER = Path(__file__).parent / "golden"


def load(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text())


def draw(name: str, case: dict) -> str:
    """Return the SHA-256 of the pixels of a case."""
    image = formulas.get(name).render(
        {parameter: tuple(ends) for parameter, ends in case["ranges"].items()},
        seed=case["seed"],
        category=case["category"],
        instances=range(case["instance"], case["instance"] + 1),
        canvas=case["canvas"],
    )
    return hashlib.sha256(image.tobytes()).hexdigest()


def digest(cases: list[dict]) -> str:
    return hashlib.sha256("".join(case["sha256"] for case in cases).encode()).hexdigest()


def record(name: str) -> str:
    """Record the pixels of the family's present version; returns what is to be said."""
    held, version = load(name), str(formulas.get(name).version)
    cases = [{**case, "sha256": draw(name, case)} for case in held["cases"]]
    if held["versions"].get(version, digest(cases)) != digest(cases):
        return f"{name}: its pixels have changed and its version is still {version}; raise it"
    versions = json.dumps({**held["versions"], version: digest(cases)})
    lines = ",\n".join(f"  {json.dumps(case)}" for case in cases)
    text = f'{{\n "versions": {versions},\n "cases": [\n{lines}\n ]\n}}\n'
    (FOLDER / f"{name}.json").write_text(text)
    return f"{name}: recorded as version {version}"


if __name__ == "__main__":
    print("\n".join(map(record, sys.argv[1:])))  # noqa: T201
