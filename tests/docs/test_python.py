"""docs/python.md and the notebook: what stands there runs."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(), flags=re.DOTALL)


@pytest.mark.end_to_end
@pytest.mark.usefixtures("folder")
def test_the_page_on_python_runs_from_top_to_bottom():
    names: dict[str, object] = {}
    for block in blocks():
        exec(compile(block, "docs/python.md", "exec"), names)  # noqa: S102

    assert names["images"].shape == (12, 64, 64)
    assert names["longer"].accuracy != names["scores"].accuracy
    assert names["scratch"].variety == {}
    assert set(names["complete"].arm) == {"scratch", "smooth", "rough"}
    assert 0 <= names["p"] <= 1
    # A trial is an arm: its value is the mean over the replicates.
    means = names["complete"].groupby("arm").accuracy.mean()
    best = names["study"].best_trial
    assert best.value == pytest.approx(means[best.user_attrs["arm"]])


def test_every_name_of_the_front_door_is_shown():
    import explorer

    shown = "\n".join(blocks())
    assert [name for name in explorer.__all__ if f"explorer.{name}(" not in shown] == []


@pytest.mark.end_to_end
def test_the_notebook_runs(folder):
    nbclient = pytest.importorskip("nbclient")
    import nbformat

    notebook = nbformat.read(DOCS / "tour.ipynb", as_version=4)
    place = {"metadata": {"path": folder}}
    nbclient.NotebookClient(notebook, timeout=300, resources=place).execute()

    (shown,) = (c for c in notebook.cells if "groupby" in c.source)
    assert "waves" in str(shown.outputs)
