"""Studies whose arms are of several formulas, and studies from before there were such."""

import pytest
from optuna.trial import TrialState

from explorer import files
from explorer import store as db
from explorer import study as config
from explorer.errors import InputError
from explorer.search import Queue, open_study
from tests.conftest import STUDY
from tests.search.test_queue import SAMPLED, trials

BOTH = f"""{STUDY}\
  noise: {{search_space: perlin, octaves: [2, 3]}}
  plain: {{search_space: perlin}}
"""


@pytest.fixture
def storage(sqlite_url):
    return db.connect(sqlite_url, create=True)


def taken(storage, study):
    with db.Run(storage, study.name) as run:
        queue = Queue(storage, study, run.run_id)
        queue.recover()
        while (proposal := queue.take()) is not None:
            queue.complete(proposal.number, 0.5)
            yield proposal


def test_a_proposal_names_the_formula_of_its_arm(storage, write_study):
    write_study(BOTH)
    study = config.load_study("mine")
    found = {p.arm: p for p in taken(storage, study)}
    assert len(found) == 5
    assert {name: p.formula for name, p in found.items() if p.ranges} == {
        "circles": "visual_atom",
        "waves": "visual_atom",
        "noise": "perlin",
        "plain": "perlin",
    }
    perlin = config.load_search_space("perlin")
    assert found["plain"].ranges == perlin.complete({})
    assert found["noise"].ranges == perlin.complete({"octaves": (2, 3)})
    for trial in trials(storage, TrialState.COMPLETE):
        arm = trial.user_attrs["arm"]
        inside = arm in {"circles", "waves"}
        assert bool(trial.params) == inside
        assert trial.user_attrs.get("formula") == (
            found[arm].formula if found[arm].ranges else None
        )


def test_arms_of_other_formulas_change_no_other_trial(storage, tmp_path, write_study):
    """Neither the named arms nor what a sampler draws."""
    write_study(SAMPLED)
    alone = {(p.arm, p.replicate): p for p in taken(storage, config.load_study("mine"))}
    write_study(f"{SAMPLED}  noise: {{search_space: perlin}}\n")
    other = db.connect(f"sqlite:///{tmp_path}/other.db", create=True)
    beside = {(p.arm, p.replicate): p for p in taken(other, config.load_study("mine"))}
    assert len(alone) == (3 + 3) * 2
    assert set(beside) - set(alone) == {("noise", 0), ("noise", 1)}
    for slot, proposal in alone.items():
        assert (beside[slot].ranges, beside[slot].seed) == (proposal.ranges, proposal.seed)


def test_a_study_from_before_goes_on_and_may_get_such_arms(storage, write_study):
    write_study()
    study = config.load_study("mine")
    opened = open_study(storage, study)
    earlier = {k: v for k, v in opened.user_attrs["definition"].items() if k != "arm_spaces"}
    opened.set_user_attr("definition", earlier)
    for arm in ("scratch", "circles", "waves"):  # as they were enqueued: without a formula
        ranges = study.arms[arm]
        attrs = {"arm": arm, "replicate": 0, "seed": 0, "attempt": 1}
        attrs["ranges"] = None if ranges is None else study.space.complete(ranges)
        params = {"frequency.low": 0, "frequency.high": 0, "orbits.low": 1, "orbits.high": 9}
        opened.enqueue_trial({} if ranges is None else params, user_attrs=attrs)
    write_study(BOTH)
    found = list(taken(storage, config.load_study("mine")))
    assert [p.formula for p in found[:3]] == ["visual_atom"] * 3
    assert len(found) == 10


def test_an_arm_cannot_change_its_search_space(storage, write_study):
    write_study(BOTH)
    open_study(storage, config.load_study("mine"))
    write_study(BOTH.replace("plain: {search_space: perlin}", "plain: {}"))
    with pytest.raises(InputError, match=r"arms.plain.search_space: has another search space in"):
        open_study(storage, config.load_study("mine"))
    changed = BOTH.replace("circles: {frequency: [0, 0]}", "circles: {search_space: rcdb}")
    write_study(changed)
    with pytest.raises(InputError, match=r"arms.circles.search_space: has another search space"):
        open_study(storage, config.load_study("mine"))


def test_a_changed_search_space_of_an_arm_is_refused(storage, write_study, folder):
    write_study(BOTH)
    open_study(storage, config.load_study("mine"))
    (folder / "search_spaces").mkdir()
    space = files.find("search_spaces", "perlin", source="").read_text()
    changed = space.replace("default: [1, 5]", "default: [1, 4]")
    assert changed != space
    (folder / "search_spaces" / "perlin.yaml").write_text(changed)
    with pytest.raises(InputError, match=r"arms.noise.search_space: has another search space in"):
        open_study(storage, config.load_study("mine"))


CONTRASTS = """\
description: What the papers contrast.
search_space: visual_atom
protocol: smoke
replicates: 1
baseline: half
arms:
  half: {}
  few: {protocol: {dataset: {categories: 4, instances: 64}}}
  small: {protocol: {model: {name: vit_small_patch16_224}}, orbits: [1, 10]}
  small_scratch: {pretrain: false, protocol: {model: {name: vit_small_patch16_224}}}
  photos: {protocol: {dataset: {images: pictures, categories: 2, instances: 8}}}
"""


def test_an_arm_may_change_the_protocol(storage, write_study):
    write_study(CONTRASTS)
    study = config.load_study("mine")
    found = {p.arm: p for p in taken(storage, study)}
    assert found["half"].protocol == found["scratch"].protocol == study.protocol
    few = found["few"].protocol
    assert (few.dataset.categories, few.dataset.instances) == (4, 64)
    assert few.dataset.canvas == study.protocol.dataset.canvas
    assert few.model == study.protocol.model
    assert few.digest() != study.protocol.digest()
    assert found["small"].ranges["orbits"] == (1, 10)
    for name in ("small", "small_scratch"):
        assert found[name].protocol.model.name == "vit_small_patch16_224"
    assert found["small_scratch"].ranges is None
    assert found["photos"].ranges == {}
    attrs = {t.user_attrs["arm"]: t.user_attrs for t in trials(storage, TrialState.COMPLETE)}
    assert "formula" not in attrs["photos"]
    assert attrs["photos"]["ranges"] == {}


def test_the_protocol_of_an_arm_stays_what_it_was(storage, write_study):
    write_study(CONTRASTS)
    open_study(storage, config.load_study("mine"))
    write_study(CONTRASTS.replace("instances: 64", "instances: 65"))
    with pytest.raises(InputError, match=r"arms\.few\.protocol: has another protocol"):
        open_study(storage, config.load_study("mine"))
    write_study(CONTRASTS.replace("{protocol: {dataset: {categories: 4, instances: 64}}}", "{}"))
    with pytest.raises(InputError, match=r"arms\.few\.protocol"):
        open_study(storage, config.load_study("mine"))


def test_a_study_of_a_version_with_fewer_entries_goes_on(storage, study):
    """What a later version has added counts with its default."""
    opened = open_study(storage, study)
    said = opened.user_attrs["definition"]
    del said["protocol"]["dataset"]["images"], said["arm_protocols"], said["arm_changes"]
    said["protocol"]["digest"] = "that of another version"
    opened.set_user_attr("definition", said)
    open_study(storage, study)
    said["protocol"]["pretrain"]["epochs"] += 1
    opened.set_user_attr("definition", said)
    with pytest.raises(InputError, match="protocol: differs"):
        open_study(storage, study)
