"""Families by name: those of this package and those that other packages offer."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from explorer import formulas
from explorer import images as dataset
from explorer.errors import InputError
from explorer.formulas import plugins
from explorer.store.runs import provenance
from explorer.study import find_formula, load_study

MODULE = """\
from explorer.formulas.perlin import Perlin

class Grain(Perlin):
    name = "grain"
    title = "Grain"
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution that offers families; returns the folder that it is in."""

    def install(offers: str, module: str = MODULE, distribution: str = "acme-grain") -> Path:
        name = distribution.replace("-", "_")
        info = tmp_path / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n"
        )
        (info / "entry_points.txt").write_text(f"[explorer.formulas]\n{offers}\n")
        (tmp_path / f"{name}.py").write_text(module)
        forget()
        return tmp_path

    def forget():
        plugins.offered.cache_clear()
        plugins.load.cache_clear()
        for name in [n for n in sys.modules if n.startswith("acme_")]:
            del sys.modules[name]

    monkeypatch.syspath_prepend(tmp_path)
    yield install
    monkeypatch.undo()
    forget()


def explorer(folder, *arguments):
    path = os.pathsep.join([str(folder), str(Path(__file__).parents[2])])
    return subprocess.run(
        [sys.executable, "-c", "from explorer.cli import main; main()", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "400"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("value", ["acme_grain:Grain", "acme_grain:grain"])
def test_another_package_offers_a_family_as_a_class_or_an_instance(install, value):
    install(f"grain = {value}", f"{MODULE}\ngrain = Grain()\n")
    assert "grain" in formulas.names()
    assert "grain" not in formulas.BUILT_IN
    formula = formulas.get("grain")
    assert (formula.name, formula.title) == ("grain", "Grain")
    assert formulas.get("grain") is formula
    assert formulas.origin("grain") == "acme-grain 1.2"


GRAIN = "entry point 'grain = acme_grain:Grain' of distribution acme-grain 1.2"
DEFAULT = "    parameters = (replace(Perlin.parameters[2], default=(0, 99)),)\n"
BROKEN = {
    "import error": ("import not_there", "cannot be loaded (ModuleNotFoundError: No module named"),
    "syntax error": ("class", "cannot be loaded (SyntaxError: "),
    "no such class": ("", "cannot be loaded (AttributeError: "),
    "not a formula": ("class Grain: pass", "is no Formula but <class 'acme_grain.Grain'>"),
    "abstract": (
        "from explorer.formulas import Formula\nclass Grain(Formula): pass",
        "cannot be loaded (TypeError: Can't instantiate abstract class Grain",
    ),
    "another name": (
        MODULE.replace('"grain"', '"grains"'),
        "brings a formula whose name is 'grains'; the two must be the same",
    ),
    "no parameters": (f"{MODULE}    parameters = ()\n", "lacks the attribute 'parameters'"),
    "no parameter": (f"{MODULE}    parameters = (1,)\n", "cannot be loaded (AttributeError: "),
    "wrong default": (
        f"from dataclasses import replace\n{MODULE}{DEFAULT}",
        "has a wrong default: octaves: 0: must be in 1..8",
    ),
}


@pytest.mark.parametrize(("module", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_family_is_one_line_and_in_no_other_s_way(install, module, reason):
    install("grain = acme_grain:Grain", module)
    with pytest.raises(formulas.BrokenFormula) as caught:
        formulas.get("grain")
    said = str(caught.value)
    assert said.startswith(f"formula 'grain': {GRAIN} {reason}")
    assert "\n" not in said
    assert str(pickle.loads(pickle.dumps(caught.value))) == said  # noqa: S301
    with pytest.raises(InputError) as refused:
        find_formula("grain")
    assert str(refused.value).startswith(f"formula: 'grain': {GRAIN} {reason}")
    assert load_study("frequency_range").space.formula == "visual_atom"


def test_two_packages_that_offer_the_same_name_are_both_refused(install):
    install("grain = acme_grain:Grain")
    install("grain = acme_sand:Grain", distribution="acme-sand")
    with pytest.raises(formulas.BrokenFormula) as caught:
        formulas.get("grain")
    assert "collide; uninstall all but one" in str(caught.value)
    for point in (GRAIN, "entry point 'grain = acme_sand:Grain' of distribution acme-sand 1.2"):
        assert point in str(caught.value)


def test_our_own_name_means_our_own_formula(install):
    install("perlin = acme_grain:Grain")
    assert type(formulas.get("perlin")).__module__ == "explorer.formulas.perlin"
    assert formulas.names().count("perlin") == 1
    (collision,) = formulas.collisions()
    said = "'perlin = acme_grain:Grain' of distribution acme-grain 1.2 collides with"
    assert said in str(collision)


def test_a_dataset_and_a_run_say_which_package_drew_them(install, tmp_path):
    install("grain = acme_grain:Grain")
    plan = dataset.Plan("grain", None, categories=1, instances=1, canvas=16, size=16, seed=0)
    manifest = dataset.export(plan, tmp_path / "set", "npz")
    assert json.loads(manifest.read_text())["package"] == "acme-grain 1.2"
    assert dataset.verify(tmp_path / "set") == ()
    assert provenance()["families"] == "acme-grain 1.2"
    manifest.write_text(manifest.read_text().replace("acme-grain 1.2", "acme-grain 1.1"))
    with pytest.raises(InputError, match=r"another dataset \(package acme-grain 1.1, not"):
        dataset.export(plan, tmp_path / "set", "npz")


def test_the_list_shows_families_of_others_and_what_is_broken(install):
    install("grain = acme_grain:Grain\nsand = acme_grain:Sand\nrcdb = acme_grain:Grain")
    folder = install("dust = acme_dust:Dust", "import not_there", "acme-dust")
    shown = explorer(folder, "list")
    assert shown.returncode == 0, shown.stderr
    lines = [line.split(None, 1) for line in shown.stdout.splitlines() if line.strip()]
    said = {}
    for name, text in (line for line in lines if len(line) == 2):
        said.setdefault(name, []).append(text)
    assert "Grain" in said["grain"][0]
    assert "acme-grain 1.2" in said["grain"][0]
    for name, package in (("sand", "grain"), ("dust", "dust")):
        point = (
            f"entry point '{name} = acme_{package}:{name.title()}' of distribution acme-{package}"
        )
        assert f"broken: {point} 1.2" in said[name][0]
    assert any("Radial contours" in text for text in said["rcdb"])
    assert any("collides with the formula of this package" in text for text in said["rcdb"])


def test_a_command_refuses_a_broken_family_in_one_line(install):
    folder = install("grain = acme_grain:Grain", "import not_there")
    ran = explorer(folder, "render", "grain", "--output", "x")
    assert (ran.returncode, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"explorer: formula: 'grain': {GRAIN} cannot be loaded")
    assert not (folder / "x").exists()
