"""What makes two trials the same, and what makes them differ."""

import pytest

from explorer import formulas, identity
from explorer.formulas import plugins
from explorer.identity import result_key
from explorer.study import Protocol, load_protocol


@pytest.fixture
def smoke() -> Protocol:
    return load_protocol("smoke")


def changed(protocol: Protocol, **parts: object) -> Protocol:
    return Protocol.model_validate({**protocol.model_dump(mode="json"), **parts})


def key(protocol, ranges=None, seed=0, formula="visual_atom") -> str:
    return result_key({"frequency": (0, 20)} | (ranges or {}), protocol, seed, formula=formula)


def test_what_decides_over_no_score_leaves_the_key(smoke):
    members = {"frequency_1": (0, 20), "frequency_2": (0, 20), "noise": (0, 4)}
    assert key(smoke) == key(changed(smoke, description="in other words", expect="nothing"))
    assert key(smoke) == result_key(members, smoke, 0, formula="visual_atom")


CHANGES = {
    "a range": lambda p, _: key(p, {"orbits": (1, 2)}),
    "the seed": lambda p, _: key(p, seed=1),
    "the formula": lambda p, _: key(p, {"frequency": (1, 20)}, formula="perlin"),
    "the protocol": lambda *_: key(load_protocol("laptop")),
    "a task": lambda p, _: key(changed(p, downstream={"name": "digits", "train_size": 100})),
    "the threads": lambda p, _: key(changed(p, resources={"cpus": 2})),
    "no pre-training": lambda p, _: result_key(None, p, 0, formula="visual_atom"),
    "the version of the trial": lambda p, patch: (
        patch.setattr(identity, "TRIAL", identity.TRIAL + 1) or key(p)
    ),
    "the version of the formula": lambda p, patch: (
        patch.setattr(type(formulas.get("visual_atom")), "version", 99) or key(p)
    ),
    "a library": lambda p, patch: (
        patch.setattr(identity, "_libraries", lambda: {"torch": "99"}) or key(p)
    ),
    "the device": lambda p, patch: (
        patch.setattr(identity, "_device", lambda _: ["another"]) or key(p)
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_decides_over_a_score_changes_the_key(smoke, monkeypatch, what):
    before = key(smoke)
    assert CHANGES[what](smoke, monkeypatch) != before


def test_another_formula_s_version_has_no_say(smoke, monkeypatch):
    before = key(smoke)
    monkeypatch.setattr(type(formulas.get("perlin")), "version", 99)
    assert key(smoke) == before


def test_from_scratch_neither_formula_nor_pre_training_takes_part(smoke):
    def scratch(protocol, formula):
        return result_key(None, protocol, 0, formula=formula)

    longer = changed(smoke, dataset={**smoke.dataset.model_dump(mode="json"), "instances": 33})
    assert key(longer) != key(smoke)
    assert scratch(smoke, "rcdb") == scratch(smoke, "perlin") == scratch(longer, "rcdb")


def test_what_only_scratch_takes_has_no_say_in_pre_trained_arms(smoke):
    """And scratch that takes it is the arm of a protocol that says so for all."""
    best = changed(smoke, scratch={"initialisation": "fan_in", "epochs": 9, "learning_rate": 0.1})
    assert key(best) == key(smoke)
    model, finetune = smoke.model.model_dump(), smoke.finetune.model_dump(mode="json")
    whole = changed(
        smoke,
        model={**model, "initialisation": "fan_in"},
        finetune={**finetune, "epochs": 9, "learning_rate": 0.1},
    )
    scratch = [result_key(None, p, 0, formula="visual_atom") for p in (best, whole, smoke)]
    assert scratch[0] == scratch[1] != scratch[2]
    assert len({p.digest() for p in (best, whole, smoke)}) == 3


def test_nodes_compare_versions_of_what_they_draw_with(monkeypatch):
    plain = identity.code()
    assert {*plain} == {"explorer", "trial", "python", *identity.LIBRARIES}
    drawn = identity.code(["rcdb", "visual_atom"])
    assert drawn["formula rcdb"] == "rcdb 1"
    assert drawn.keys() - plain.keys() == {"formula rcdb", "formula visual_atom"}
    grain = type("Grain", (type(formulas.get("perlin")),), {"name": "grain"})()
    monkeypatch.setattr(plugins, "offered", lambda: {"grain": ()})
    monkeypatch.setattr(plugins, "load", lambda _: grain)
    monkeypatch.setattr(formulas, "origin", lambda _: "acme-grain 1.2")
    assert identity.code(["grain"])["formula grain"] == "grain 1 acme-grain 1.2"


@pytest.fixture
def clock(monkeypatch):
    """The time that the folders are looked at, in seconds; a list, to be moved on."""
    now = [1000.0]
    monkeypatch.setattr(identity.time, "monotonic", lambda: now[0])
    identity._contents.cache_clear()
    yield now
    identity._contents.cache_clear()


def test_a_change_in_a_folder_of_images_changes_the_key_at_the_next_look(smoke, tmp_path, clock):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "0.png").write_bytes(b"one")
    sizes = {**smoke.dataset.model_dump(mode="json"), "images": str(tmp_path)}
    protocol = changed(smoke, dataset=sizes)
    before = result_key({}, protocol, 0, formula="visual_atom")
    assert before == result_key({}, protocol, 0, formula="rcdb")
    (tmp_path / "cat" / "1.png").write_bytes(b"two")
    assert result_key({}, protocol, 0, formula="visual_atom") == before  # looked at just before
    clock[0] += identity._SECONDS_BETWEEN_LOOKS
    assert result_key({}, protocol, 0, formula="visual_atom") != before
