import shutil
import subprocess

import pytest
from PIL import Image

from explorer.errors import InputError
from explorer.report.figures import FIGURES, draw, drawing, gather, interactive
from tests.report.conftest import trial

SHOWN = [name for name in FIGURES if name not in {"front", "hypervolume", "fidelity"}]
"""What a study of one objective under one protocol has."""


@pytest.fixture(scope="module")
def drawn(rich, tmp_path_factory):
    return draw(rich, tmp_path_factory.mktemp("drawn") / "a" / "b")


def test_every_figure_is_a_pdf_and_a_png(drawn):
    names = [f"{name}.{suffix}" for name in SHOWN for suffix in ("pdf", "png")]
    assert [path.name for path in drawn] == [*names, "figures.tex"]
    assert sorted(drawn[0].parent.iterdir()) == sorted(drawn)
    for path in drawn:
        if path.suffix == ".png":
            assert Image.open(path).width == 1100


def test_fonts_are_embedded_as_truetype(drawn):
    for path in drawn:
        if path.suffix == ".pdf":
            content = path.read_bytes()
            assert content.startswith(b"%PDF")
            assert b"/FontFile2" in content  # an embedded TrueType font
            assert b"/Type3" not in content


def test_a_paper_sets_them_with_their_captions(drawn, tmp_path):
    if not shutil.which("pdflatex"):
        pytest.skip("there is no pdflatex")
    folder = drawn[-1].parent
    paper = (
        "\\documentclass{article}\\usepackage{graphicx}\\extrafloats{50}"
        f"\\graphicspath{{{{{folder}/}}}}\\begin{{document}}\\input{{{drawn[-1]}}}\\end{{document}}"
    )
    (tmp_path / "paper.tex").write_text(paper)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    text = drawn[-1].read_text()
    assert text.count("\\caption{") == len(SHOWN)
    assert "arms 2 had one trial" in text
    assert "\\label{fig:rich-accuracy}" in text


def test_the_same_numbers_give_the_same_bytes(make_study, tmp_path, monkeypatch):
    few = {name: FIGURES[name] for name in ("accuracy", "surface", "learning")}
    monkeypatch.setattr(drawing, "FIGURES", few)
    trials = [trial("scratch", 0, 0.5), trial("high", 0, 0.6, frequency=(20, 60))]
    material = gather(make_study([*trials, trial("none", 0, 0.7, frequency=(0, 0))]))
    first, second = (draw(material, tmp_path / name) for name in ("first", "second"))
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    pages = [[one.figure.to_json() for one in interactive(material).values()] for _ in range(2)]
    assert pages[0] == pages[1]


def test_a_page_has_the_figures_in_order_with_their_captions(rich):
    found = interactive(rich)
    assert list(found) == SHOWN
    for name, one in found.items():
        assert one.title == FIGURES[name].title
        assert one.caption.endswith(".")
        assert one.figure.layout.height > 100
        assert one.figure.data


def test_a_study_with_little_to_show(make_study, tmp_path):
    material = gather(make_study([trial("scratch", 0, 0.5)]))
    assert list(interactive(material)) == ["accuracy"]
    assert [path.name for path in draw(material, tmp_path)] == [
        *("accuracy.pdf", "accuracy.png"),
        "figures.tex",
    ]


def test_a_place_that_cannot_be_written(make_study, tmp_path):
    (tmp_path / "file").write_text("in the way")
    material = gather(make_study([trial("scratch", 0, 0.5)]))
    with pytest.raises(InputError, match=r"--figures: .*file"):
        draw(material, tmp_path / "file")
