"""Joining a cluster, as far as it needs none: room, code, and where half-done trials are kept."""

import os
from pathlib import Path

import pytest

from explorer import identity, store
from explorer.errors import InputError, OutageError
from explorer.runner import cluster, run_study
from explorer.runner.trainable import REPORT, EvaluateTrainable, Failure, SameCode
from explorer.study import Resources, load_protocol


@pytest.mark.parametrize(
    ("have", "resources", "room"),
    [
        ({"CPU": 8}, Resources(cpus=3), 2),
        ({"CPU": 8}, Resources(cpus=0.1), 80),
        ({"CPU": 1}, Resources(cpus=2), 0),
        ({"GPU": 1}, Resources(cpus=1), 0),
        ({"CPU": 8}, Resources(cpus=1, gpus=1), 0),
        ({"CPU": 8, "GPU": 1}, Resources(cpus=1, gpus=0.25), 4),
        # 0.3 of a GPU goes three times into each, not thirteen times into four.
        ({"CPU": 64, "GPU": 4}, Resources(cpus=1, gpus=0.3), 12),
        ({"CPU": 64, "GPU": 5}, Resources(cpus=1, gpus=2), 2),
    ],
)
def test_room(have, resources, room):
    assert cluster._room({"Resources": have}, resources) == room


def test_code_that_differs_is_named():
    here = identity.code(["visual_atom"])
    assert cluster.difference(here, dict(here)) is None
    assert cluster.difference(here, {**here, "torch": here["torch"] + "+elsewhere"}) is None
    said = cluster.difference(here, {**here, "torch": "1.0"})
    assert "another torch (1.0)" in said
    assert "formula theirs" in cluster.difference({**here, "formula theirs": "a"}, here)


def test_half_done_trials_are_kept_where_the_driver_is_or_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    here = cluster.checkpoints(str(tmp_path), "mine")
    assert here == tmp_path / ".explorer" / "checkpoints" / "mine"
    elsewhere = cluster.checkpoints("/no/such/folder", "mine")
    assert elsewhere == tmp_path / "cache" / "explorer" / ".explorer" / "checkpoints" / "mine"
    for folder in (here, elsewhere):
        folder.mkdir(parents=True)
        (folder.parent / "other").mkdir()
    cluster._clean("/no/such/folder", "mine")
    assert (here.exists(), elsewhere.exists()) == (True, False)
    assert (elsewhere.parent / "other").exists()
    assert not Path("/no").exists()


def config(**changes):
    return {
        "evaluate": lambda *_, **__: iter(()),
        "study": "mine",
        "directory": "/no/such/folder",
        "families": [],
        "code": identity.code(),
        "protocol": {},
        "ranges": None,
        "seed": 0,
        "formula": "visual_atom",
        **changes,
    }


def test_a_worker_with_other_code_ends_the_run_and_does_no_trial(monkeypatch):
    monkeypatch.setattr(EvaluateTrainable, "_begin", lambda *_: None)
    worker = object.__new__(EvaluateTrainable)
    worker.setup(config(code={**identity.code(), "explorer": "0" * 64}))
    report = worker.step()[REPORT]
    assert isinstance(report, Failure)
    assert "has another explorer" in report.reason
    with pytest.raises(KeyboardInterrupt, match="has another explorer"):
        SameCode()("trial", {REPORT: report})
    assert not SameCode()("trial", {REPORT: Failure("raised", "")})


def test_a_worker_without_the_formula_says_so(monkeypatch):
    monkeypatch.setattr(EvaluateTrainable, "_begin", lambda *_: None)
    worker = object.__new__(EvaluateTrainable)
    worker.setup(config(families=["lissajous"]))
    assert "lissajous" in worker.step()[REPORT].reason


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "http://127.0.0.1:8265"])
def test_a_client_outside_the_cluster_is_sent_to_submit(study, sqlite_url, address):
    database = store.connect(sqlite_url, create=True)
    with pytest.raises(InputError, match="explorer submit"):
        run_study(study, database, address=address)


def test_a_ray_that_does_not_start_is_one_line(study, monkeypatch):
    def fail(**_):
        raise Exception("The current node timed out during startup. This could happen because")  # noqa: TRY002 - as Ray does

    monkeypatch.setattr("ray.init", fail)
    said = "^Ray could not be started on this machine: The current node timed out during startup$"
    with pytest.raises(OutageError, match=said), cluster.connected(study, None, 1):
        pass


def test_a_node_says_what_a_trial_lacks_there(tmp_path):
    smoke = load_protocol("smoke")
    (digits,) = smoke.downstream
    elsewhere = digits.model_copy(update={"name": "imagefolder", "path": Path("no/such/folder")})
    lacking = smoke.model_copy(update={"downstream": (elsewhere,)})
    before = Path.cwd()
    try:
        assert cluster._try([smoke], str(tmp_path)) is None
        assert "no/such/folder" in cluster._try([smoke, lacking], str(tmp_path))
    finally:
        os.chdir(before)
