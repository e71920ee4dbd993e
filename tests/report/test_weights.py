"""What a study leaves for other tools: weights with their card, and the study of a long run."""

import pytest
from ruamel.yaml import YAML

from explorer import files
from explorer.errors import InputError
from explorer.report.weights import export_weights, long_run
from explorer.runner.driver import keep_best
from explorer.study import load_study
from tests.report import rows


@pytest.fixture
def database(folder):
    with rows.connect(folder) as connected:
        rows.make_study(
            connected,
            "mine",
            [
                rows.row("scratch", 0, 0.9),
                rows.row("waves", 0, 0.6, ranges={"frequency": (0, 20)}),
                rows.row("waves", 1, 0.8, ranges={"frequency": (0, 20)}),
                rows.row("circles", 0, 0.65, ranges={"frequency": (0, 0)}),
                rows.row("circles", 1, 0.65, ranges={"frequency": (0, 0)}),
                rows.row("sample-0003", 0, 0.75, ranges={"frequency": (3, 5)}),
                rows.row("sample-0003", 1, state="RUNNING", ranges={"frequency": (3, 5)}),
            ],
        )
        for arm in ("waves", "circles", "sample-0003"):
            for replicate in (0, 1):
                place = files.weights_of("mine", arm, replicate)
                place.mkdir(parents=True)
                (place / "model.safetensors").write_text(f"{arm} {replicate}")
        yield connected


def test_the_best_arm_leaves_its_best_replicate_with_a_card(database, folder):
    export_weights(database, "mine", "circles", folder / "circles")
    assert (folder / "circles" / "model.safetensors").read_text().startswith("circles")
    export_weights(database, "mine", "waves", folder / "out")
    assert (folder / "out" / "model.safetensors").read_text() == "waves 1"
    card = (folder / "out" / "README.md").read_text()
    head = YAML(typ="safe").load(card.split("---")[1])
    assert head["library_name"] == "timm"
    assert "frequency: [0, 20]" in card
    assert "mean downstream accuracy is\n70.0 %" in card
    assert "| accuracy | 0.8 |" in card
    assert "categories: 32" in card
    assert sorted(path.name for path in folder.glob("*.part")) == []


@pytest.mark.parametrize(
    ("study", "arm", "message"),
    [
        ("mien", None, "did you mean 'mine'"),
        ("mine", "wave", "ARM: 'wave': has no finished replicate; did you mean 'waves'"),
        ("mine", "scratch", "no weights in .explorer/weights/mine; run it in this folder with"),
    ],
)
def test_what_is_not_there_is_one_line(database, folder, study, arm, message):
    with pytest.raises(InputError, match=message):
        export_weights(database, study, arm, folder / "out")
    assert not (folder / "out").exists()


def test_a_folder_of_people_is_left_alone(database, folder):
    (folder / "out").mkdir()
    with pytest.raises(InputError, match="is there already; name another folder"):
        export_weights(database, "mine", None, folder / "out")


def test_only_the_best_of_the_arms_that_have_ended_is_kept(database):
    keep_best(database, "mine")
    kept = {path.name for path in files.weights_of("mine", "", 0).parent.iterdir()}
    assert kept == {"waves-0", "waves-1", "sample-0003-0", "sample-0003-1"}


@pytest.mark.parametrize(
    ("arm", "own", "ends"), [("circles", "circles", (0, 0)), (None, "sampled-0003", (3, 5))]
)
def test_the_long_run_of_an_arm_is_a_study(database, folder, arm, own, ends):
    name, text = long_run(database, "mine", arm, "paper", 7)
    (folder / "studies" / f"{name}.yaml").write_text(text)
    study = load_study(name)
    assert (study.name, study.protocol_name) == (name, "paper")
    assert study.arms.keys() == {own}
    assert study.arms[own]["frequency"] == ends
    assert (study.file.keep, study.file.seed, study.planned) == ("all", 7, 1)
    assert files.NAME.fullmatch(name)
    elsewhere = rows.make_study(
        database, f"mine+pretrain.epochs=3@{'g' * 60}", [rows.row("a", 0, 0.6, ranges={})]
    )
    assert files.NAME.fullmatch(long_run(database, elsewhere, None, "paper", 0)[0])
    with pytest.raises(InputError, match="ARM: 'scratch': no arm that draws from a formula"):
        long_run(database, "mine", "scratch", "paper", 0)
