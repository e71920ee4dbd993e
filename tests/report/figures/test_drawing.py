"""All figures of a study as files, and for a page."""

import shutil
import subprocess
from dataclasses import replace

import matplotlib as mpl
import pytest
from PIL import Image

from explorer.errors import InputError
from explorer.report.figures import draw, drawings

OURS = ["accuracy", "ranges", "variety", "learning"]


@pytest.fixture(scope="module")
def files(ablation, database, tmp_path_factory):
    return draw(database, ablation.report, tmp_path_factory.mktemp("drawn") / "a" / "b")


def test_every_figure_is_a_pdf_and_a_png(files):
    names = [*OURS, "intermediate_values", "timeline"]
    expected = [f"{name}.{suffix}" for name in names for suffix in ("pdf", "png")]
    assert [path.name for path in files] == [*expected, "figures.tex"]
    assert sorted(files[0].parent.iterdir()) == sorted(files)
    for path in files:
        if path.suffix == ".png" and path.stem in OURS:
            assert Image.open(path).width == 1100
        if path.suffix == ".pdf":
            assert b"/FontFile2" in path.read_bytes()  # an embedded TrueType font
            assert b"/Type3" not in path.read_bytes()


def test_a_paper_sets_them_with_their_captions(files, tmp_path):
    text = files[-1].read_text()
    assert text.count("\\caption{") == text.count("\\includegraphics") == len(files) // 2
    assert "\\label{fig:ablation-accuracy}" in text
    if not shutil.which("pdflatex"):
        pytest.skip("there is no pdflatex")
    paper = (
        "\\documentclass{article}\\usepackage{graphicx}\\extrafloats{50}"
        f"\\graphicspath{{{{{files[-1].parent}/}}}}\\begin{{document}}"
        f"\\input{{{files[-1]}}}\\end{{document}}"
    )
    (tmp_path / "paper.tex").write_text(paper)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_captions_are_two_sentences(sampled):
    for drawing in drawings(sampled):
        text = drawing.caption.replace("et al.", "et al")
        assert 1 <= text.count(". ") + text.endswith(".") <= 3, drawing.caption


def test_the_same_numbers_give_the_same_bytes(ablation, database, files, tmp_path):
    # Nor have settings of the user's own plotting a say.
    with mpl.rc_context({"font.size": 30, "text.usetex": True, "savefig.bbox": "tight"}):
        again = draw(database, ablation.report, tmp_path)
    assert [path.read_bytes() for path in files] == [path.read_bytes() for path in again]


def test_images_stand_below_print_and_not_on_a_page(files, ablation):
    heights = [Image.open(path).height for path in files if path.name == "learning.png"]
    (learning,) = [d for d in drawings(ablation) if d.name == "learning"]
    alone = learning.on_paper()
    assert heights[0] > 200 * alone.get_size_inches()[1] + 50
    assert not learning.on_page().layout.images


def test_a_narrow_page_has_the_same_curves_one_below_the_other(sampled):
    for drawing in drawings(sampled)[:4]:
        wide, narrow = drawing.on_page(), drawing.narrow()
        if narrow is None:
            continue
        assert [t.to_plotly_json() for t in wide.data] == [t.to_plotly_json() for t in narrow.data]
        axes = [narrow.layout[key] for key in narrow.layout if key.startswith("xaxis")]
        assert {tuple(axis.domain) for axis in axes} == {(0.0, 1.0)}
        assert narrow.layout.height > wide.layout.height


def test_of_thousands_of_arms_a_part_is_drawn(sampled):
    (arm,) = sampled.report.ranked[5:6]
    many = [replace(arm, name=f"sample_{i:05}") for i in range(2000)]
    report = replace(sampled.report, arms=(*sampled.report.arms, *many))
    ranges = drawings(replace(sampled, report=report))[1]
    assert "Drawn are 1000 of 20" in ranges.note
    points = sum(len(t.x) for t in ranges.on_page().data if t.mode == "markers")
    assert points == 3 * 999  # from scratch has no ranges


def test_a_folder_that_cannot_be_written(ablation, database, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"--figures: .*cannot be written"):
        draw(database, ablation.report, tmp_path / "file")
