"""What makes two trials the same, and what makes them differ."""

import pytest

from explorer import identity
from explorer import study as config
from explorer.identity import result_key


@pytest.fixture
def smoke() -> config.Protocol:
    return config.load_protocol("smoke")


def changed(protocol: config.Protocol, **parts: object) -> config.Protocol:
    said = protocol.model_dump(mode="json")
    return config.Protocol.model_validate({**said, **parts})


def key(protocol, ranges=None, seed=0, formula="visual_atom") -> str:
    return result_key({"frequency": (0, 20)} | (ranges or {}), protocol, seed, formula=formula)


def test_the_same_trial_has_the_same_key(smoke):
    assert key(smoke) == key(changed(smoke, description="in other words", expect="nothing"))
    assert len(key(smoke)) == 64


def test_whatever_decides_over_a_score_changes_the_key(smoke, monkeypatch):
    task = {"name": "digits", "train_size": 100, "test_fraction": 0.2, "seed": 1}
    keys = [
        key(smoke),
        key(smoke, {"frequency": (0, 21)}),
        key(smoke, {"orbits": (1, 2)}),
        key(smoke, seed=1),
        key(smoke, formula="rcdb"),
        key(config.load_protocol("laptop")),
        key(changed(smoke, downstream=task)),
        key(changed(smoke, resources={"cpus": 2})),
        result_key(None, smoke, 0, formula="visual_atom"),
    ]
    monkeypatch.setattr(identity, "_code", lambda: {"explorer": "another version"})
    keys.append(key(smoke))
    assert len(set(keys)) == len(keys)


def test_from_scratch_no_formula_takes_part(smoke):
    assert result_key(None, smoke, 0, formula="rcdb") == result_key(
        None, smoke, 0, formula="perlin"
    )


def test_from_scratch_the_pre_training_takes_no_part(smoke):
    sizes = {**smoke.dataset.model_dump(mode="json"), "instances": 33}
    longer = changed(smoke, dataset=sizes)
    assert key(longer) != key(smoke)
    assert result_key(None, longer, 0, formula="rcdb") == result_key(None, smoke, 0, formula="rcdb")


def test_code_that_decides_over_scores_is_hashed_and_other_code_is_not(tmp_path, monkeypatch):
    for room in ("formulas", "images", "training", "variety", "report"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "render.py").write_text("one = 1")
    for file in ("__init__.py", "trial.py", "image_files.py"):
        (tmp_path / file).write_text("")
    monkeypatch.setattr(identity.explorer, "__file__", str(tmp_path / "__init__.py"))
    hashed = [identity._code.__wrapped__()["explorer"]]
    (tmp_path / "report" / "render.py").write_text("one = 2")
    assert identity._code.__wrapped__()["explorer"] == hashed[0]
    for name in ("trial.py", "formulas/render.py", "images/render.py", "training/render.py"):
        (tmp_path / name).write_text("one = 2")
        hashed.append(identity._code.__wrapped__()["explorer"])
    assert len(set(hashed)) == 5


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
