"""The LaTeX table: well-formed, escaped, and compiled where there is a compiler."""

import re
import shutil
import subprocess

import pytest

from explorer.report import render, summarise
from explorer.report.latex import escape
from tests.report.conftest import SCORES, finished_trials, trial


def test_the_table(study):
    text, correlations = render(summarise(study), "latex").split("\n\n")
    assert r"\label{tab:frequency-range-variety}" in correlations
    lines = [line.strip() for line in text.splitlines()]
    assert r"\begin{tabular}{llrrrrrr}" in lines
    assert [lines.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    assert (
        r"best\_practice & frequency 0--20 & \textbf{81.7 $\pm$ 1.5} & 3 & "
        r"+10.7 [+7.5, +13.8] & 0.003 & 121 & 0.100 \\" in lines
    )
    assert any(r"\underline{79.7 $\pm$ 1.5}" in line for line in lines)
    assert any(r"+0.3 [$-$4.0, +4.7] & 0.82$^{\dagger}$" in line for line in lines)
    assert r"\label{tab:frequency-range}" in lines
    assert r"\caption{Study frequency\_range under protocol laptop: " in text
    assert r"95\,\% confidence interval" in text


def test_structure_is_balanced(study):
    text = render(summarise(study), "latex")
    begun = re.findall(r"\\begin\{(\w+)\}", text)
    assert begun[:2] == ["table", "tabular"]
    assert sorted(begun) == sorted(re.findall(r"\\end\{(\w+)\}", text))
    bare = text.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert text.count("$") % 2 == 0
    body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 5
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {7}
    assert text.isascii()


def test_no_line_begins_as_an_argument_of_the_break_before_it(make_study):
    arms = {"scratch": None, "[2cm]": {"frequency": [0, 1]}}
    text = render(summarise(make_study([trial("[2cm]", 0, 0.5)], arms=arms)), "latex")
    assert not re.search(r"\\\\\s*[\[*]", text)
    assert "{}[2cm] & " in text


def test_escape():
    assert escape("a_b & 5 % #1 $x$ {y} ~ ^") == (
        r"a\_b \& 5\,\% \#1 \$x\$ \{y\} \textasciitilde{} \textasciicircum{}"
    )
    assert escape("\\") == r"\textbackslash{}"
    assert escape("<0.001") == "$<$0.001"


def test_long_ranges_stand_one_below_the_other(make_study):
    attrs = {"ranges": {"frequency": [0, 20], "orbits": [1, 200]}}
    arms = {"scratch": None, "both": {k: list(v) for k, v in attrs["ranges"].items()}}
    text = render(summarise(make_study([trial("both", 0, 0.5, **attrs)], arms=arms)), "latex")
    stacked = r"\begin{tabular}[t]{@{}l@{}}frequency 0--20,\\orbits 1--200\end{tabular}"
    assert rf"both & {stacked} & " in text


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Compile tables into a PDF and return its text."""
    missing = [tool for tool in ("pdflatex", "pdftotext") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} here")

    def compile_(tables: str) -> str:
        folder = tmp_path_factory.mktemp("latex")
        begin = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
        document = f"{begin}\n{tables}\n\\end{{document}}\n"
        (folder / "table.tex").write_text(document, encoding="utf-8")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
        assert "Overfull" not in done.stdout
        assert "undefined" not in done.stdout.lower()
        read = ["pdftotext", "-layout", "table.pdf", "-"]
        text = subprocess.run(read, cwd=folder, capture_output=True, text=True, check=True).stdout
        return " ".join(text.split())

    return compile_


def test_it_compiles_and_says_what_it_should(make_study, compiled):
    awkward = r"[a_b%&#$^~\{}<>|]" + '"'
    arms = {"scratch": None, "best_practice": {"frequency": [0, 20]}, awkward: {"orbits": [1, 5]}}
    trials = [t for t in finished_trials() if t.user_attrs["arm"] in arms]
    trials += [trial(awkward, r, 0.6 + r / 50, ranges={"orbits": [1, 5]}) for r in range(3)]
    text = compiled(render(summarise(make_study(trials, arms=arms)), "latex"))
    # LaTeX's own fonts draw an underscore, which is then no text.
    assert "Table 1: Study frequency range under protocol laptop: top-1 accuracy on" in text
    assert "81.7 ± 1.5 3 +10.7 [+7.5, +13.8] 0.002" in text
    assert "[a b%&#$" in text
    assert "Holm-corrected over 2 arms" in text


def test_a_table_of_tasks_compiles(make_study, compiled):
    trials = [
        trial(arm, r, score, **{"accuracy.digits": score + 0.1, "accuracy.pets_37": score - 0.1})
        for arm, scores in SCORES.items()
        for r, score in enumerate(scores)
    ]
    text = compiled(render(summarise(make_study(trials)), "latex"))
    assert "91.7 ± 1.5 71.7 ± 1.5 81.7 ± 1.5 3 +10.7 [+7.5, +13.8] 0.003" in text
