"""Looking at a study must not cost what running one costs."""

import subprocess
import sys

PROGRAM = """
import pathlib, sys, tempfile
from explorer import report
from tests.report import rows
with rows.connect(pathlib.Path(tempfile.mkdtemp())) as database:
    rows.ablation(database)
    result = report.summarise(database, "ablation")
    [report.render(result, kind) for kind in report.FORMATS.values()]
    report.sentences(result), report.status(database, "ablation"), report.watching
print(*sorted({"torch", "ray", "timm", "matplotlib", "plotly", "sklearn"} & set(sys.modules)))
"""


def test_neither_ray_nor_torch_nor_figures_are_imported():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"
