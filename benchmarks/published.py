"""How well the scores of a protocol order arms as the papers' full-scale runs do.

``explorer run-study`` the studies in ``studies/published``, then
``python -m benchmarks.published > docs/results/published.json``: per study and published task the
decision accuracy of every rung and score, as ``explorer report STUDY --format json`` has it.
Studies without a score yet are left out.
"""

import argparse
import sys
from dataclasses import asdict

from explorer import files, store
from explorer.report import Judgement, json_text, published
from explorer.study import load_studies


def main() -> None:
    """Read the database and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storage", default="sqlite:///explorer.db")
    options = parser.parse_args()
    judgements: list[Judgement] = []
    with store.connect(options.storage) as database:
        for name, _ in files.available("studies"):
            if load_studies(name)[0].file.published:
                judgements += published(database, name)
    sys.stdout.write(json_text({"judgements": [asdict(each) for each in judgements]}))


if __name__ == "__main__":
    main()
