"""The LaTeX table: well-formed, escaped, and compiled where there is a compiler."""

import re
import shutil
import subprocess

import pytest

from explorer.report import render, summarise
from explorer.report.tables import escape
from tests.report import rows


def latex(database, entries, **changes):
    return render(
        summarise(database, rows.make_study(database, "a_b", entries, **changes)), "latex"
    )


def test_the_table(database):
    text, variety = latex(database, rows.ablation_rows()).split("\n\n")
    assert r"\label{tab:a-b-variety}" in variety
    lines = [line.strip() for line in text.splitlines()]
    assert r"\begin{tabular}{llrrrrrr}" in lines
    assert [lines.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    assert (
        r"best\_practice & frequency 0--20 & \textbf{81.7 $\pm$ 1.5} & 3 & "
        r"+10.7 [+7.5, +13.8] & 0.003 & 121 & 0.100 \\" in lines
    )
    assert any(r"\underline{79.7 $\pm$ 1.5}" in line for line in lines)
    assert any(r"+0.3 [$-$4.0, +4.7] & 0.82$^{\dagger}$" in line for line in lines)
    assert r"\caption{Study a\_b under protocol laptop: " in text
    assert r"95\,\% confidence interval" in text
    assert r"\footnotesize $^{\dagger}$ not significantly different from scratch" in text


def test_structure_is_balanced(studies):
    for name in ("ablation", "unfinished", "sampled"):
        text = render(summarise(studies, name), "latex")
        begun, ended = (re.findall(rf"\\{what}\{{(\w+)\}}", text) for what in ("begin", "end"))
        assert sorted(begun) == sorted(ended)
        bare = text.replace(r"\{", "").replace(r"\}", "")
        assert bare.count("{") == bare.count("}")
        assert text.count("$") % 2 == 0
        assert text.isascii()


def test_no_line_begins_as_an_argument_of_the_break_before_it(database):
    arms = {"scratch": None, "[2cm]": {"frequency": [0, 1]}}
    text = latex(database, [rows.row("[2cm]", 0, 0.5, ranges={})], arms=arms)
    assert not re.search(r"\\\\\s*[\[*]", text)
    assert "{}[2cm] & " in text


def test_long_ranges_stand_one_below_the_other(database):
    arms = {"scratch": None, "both": {"frequency": [0, 20], "orbits": [1, 200]}}
    text = latex(database, [rows.row("both", 0, 0.5, ranges=arms["both"])], arms=arms)
    stacked = r"\begin{tabular}[t]{@{}l@{}}frequency 0--20,\\orbits 1--200\end{tabular}"
    assert rf"both & {stacked} & " in text


def test_escape():
    assert escape("a_b & 5 % #1 $x$ {y} ~ ^") == (
        r"a\_b \& 5\,\% \#1 \$x\$ \{y\} \textasciitilde{} \textasciicircum{}"
    )
    assert escape("\\ <0.001") == r"\textbackslash{} $<$0.001"


def test_it_compiles(studies, tmp_path):
    missing = [tool for tool in ("pdflatex", "pdftotext") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} here")
    awkward = r"[a_b%&#$^~\{}<>|]" + '"'
    arms = {**rows.ARMS, awkward: {"orbits": [1, 5]}}
    entries = [*rows.ablation_rows()]
    entries += [rows.row(awkward, r, 0.6 + r / 50, ranges=arms[awkward]) for r in range(3)]
    rows.make_study(studies, "awkward", entries, arms=arms)
    tables = [render(summarise(studies, name), "latex") for name in ("awkward", "sampled")]
    begin = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
    document = "\n".join([begin, *tables, r"\end{document}", ""])
    (tmp_path / "table.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    read = ["pdftotext", "-layout", "table.pdf", "-"]
    text = subprocess.run(read, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    said = " ".join(text.split())
    assert "81.7 ± 1.5 3 +10.7 [+7.5, +13.8]" in said
    assert "[a b%&#$" in said  # LaTeX's own fonts draw an underscore, which is then no text
