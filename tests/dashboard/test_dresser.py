"""Notes and pictures of a study that was built without running one."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from optuna.storages import get_storage
from optuna.trial import TrialState
from PIL import Image

from explorer import store as db
from explorer.dashboard import Dresser, attributes, dresser, open_artifacts
from explorer.images import Plan, contact_sheet
from tests.dashboard.conftest import PROTOCOL, Shown
from tests.report.conftest import definition, trial


def test_trials_get_notes_and_pictures(shown: Shown):
    shown.dress()
    assert [sorted(shown.artifacts(number)) for number in range(5)] == [
        ["curves.png"],  # from scratch there are no images
        ["curves.png", "images.png"],
        ["curves.png", "images.png"],
        ["curves.png", "images.png"],
        ["images.png"],  # it runs
    ]
    listed = [one for number in range(5) for one in shown.artifacts(number).values()]
    assert sorted(listed) == sorted(shown.files())
    for picture in shown.files().values():
        assert Image.open(io.BytesIO(picture)).width > 100
    sheet = shown.artifacts(1)["images.png"]
    address = f"/artifacts/{shown.study_id}/{shown.trial_id(1)}/{sheet}"
    assert f"]({address})" in shown.note(1)
    assert "best\\_practice | \N{EN SPACE}81.7 " not in shown.note()
    assert "best\\_practice" in shown.note()


def test_the_sheet_has_the_images_that_the_trial_was_trained_on(shown: Shown):
    shown.dress()
    drawn = Image.open(io.BytesIO(shown.files()[shown.artifacts(1)["images.png"]]))
    ranges = {"frequency": (0.0, 20.0), "orbits": (1.0, 200.0)}
    plan = Plan("visual_atom", ranges, 2, 2, 32, 32, seed=0)
    np.testing.assert_array_equal(np.asarray(drawn), contact_sheet([plan]))


def test_a_second_round_and_a_second_dashboard_change_nothing(shown: Shown):
    first = shown.dresser()
    first.dress(seconds=60)
    attrs, files = shown.attrs(), shown.files()
    first.dress(seconds=60)
    shown.dress()
    assert shown.attrs() == attrs
    assert shown.files() == files


def test_dashboards_at_once_make_no_duplicates(shown: Shown):
    dressers = [shown.dresser() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        for round_ in [pool.submit(one.dress, seconds=60) for one in dressers]:
            round_.result()
    listed = [one for number in range(5) for one in shown.artifacts(number).values()]
    assert len(listed) == 8
    assert sorted(listed) == sorted(shown.files())


def test_a_dashboard_that_died_is_made_up_for(shown: Shown):
    store = open_artifacts(str(shown.place))
    writes = 0
    write = store.write

    def failing(artifact_id, body):
        nonlocal writes
        writes += 1
        write(artifact_id, body)
        if writes == 3:
            raise MemoryError

    store.write = failing
    with pytest.raises(MemoryError):
        shown.dresser(store).dress(seconds=60)
    assert len(shown.files()) == 3
    shown.dress()
    assert len(shown.files()) == 8


def test_pictures_are_made_anew_where_the_store_is_another_one(shown: Shown, tmp_path):
    shown.dress()
    attrs, files = shown.attrs(), shown.files()
    shown.place = tmp_path / "elsewhere"
    shown.dress()
    assert shown.attrs() == attrs
    assert shown.files() == files


def test_what_a_person_has_changed_stays(shown: Shown):
    shown.dress()
    changes = attributes.with_note(shown.attrs(), shown.trial_id(1), "**mine**")
    sheet = shown.artifacts(3)["images.png"]
    entry = attributes.with_artifact(shown.trial_id(3), sheet, "images.png")
    db.set_study_attrs(shown.storage, shown.study_id, changes | dict.fromkeys(entry, "null"))
    shown.dress()
    assert shown.note(1) == "**mine**"
    assert sorted(shown.artifacts(3)) == ["curves.png"]
    assert sheet not in shown.note(3)


def test_a_running_trial_is_followed_to_its_end(shown: Shown):
    worker = shown.dresser()
    worker.dress(seconds=60)
    assert "**Running.**" in shown.note(4)
    assert "attempt 2, takes up trial 2" in shown.note(4)
    trial_id = shown.trial_id(4)
    shown.storage.set_trial_intermediate_value(trial_id, 16384, 0.55)
    worker.dress(seconds=60)
    assert "16,384 | \N{EN SPACE}55.0" in shown.note(4)
    shown.storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.9])
    worker.dress(seconds=60)
    assert "**90.0 %** top-1" in shown.note(4)
    assert sorted(shown.artifacts(4)) == ["curves.png", "images.png"]


def test_what_is_no_longer_chosen_loses_its_dress(shown: Shown):
    shown.dress()
    theirs = attributes.with_artifact(shown.trial_id(2), "aa", "theirs.png")
    db.set_study_attrs(shown.storage, shown.study_id, theirs)
    shown.dresser(most=2).dress(seconds=60)
    assert [number for number in range(5) if shown.note(number)] == [1, 4]
    assert [len(shown.artifacts(number)) for number in range(5)] == [0, 2, 1, 0, 1]
    assert len(shown.files()) == 3


def test_a_study_that_nobody_here_has_made_is_left_alone(shown: Shown):
    import optuna

    other = optuna.create_study(study_name="theirs", storage=shown.storage)
    other.add_trial(trial("x", 0, 0.5))
    store = open_artifacts(str(shown.place))
    Dresser(shown.storage, get_storage(shown.storage), store).dress(seconds=60)
    other_id = shown.storage.get_study_id_from_name("theirs")
    assert shown.storage.get_study_system_attrs(other_id) == {}
    assert len(shown.files()) == 8


def test_notes_come_before_pictures(shown: Shown):
    shown.dresser().dress(seconds=-1)
    assert all(shown.note(number) for number in range(5))
    assert not any(shown.artifacts(number) for number in range(5))


@pytest.mark.parametrize(
    "changes",
    [
        {"arm_protocols": {"best_practice": {**PROTOCOL, "dataset": {"images": "photos"}}}},
        {"protocol": {"name": "old"}},
    ],
    ids=["real images", "a definition that does not say"],
)
def test_a_trial_without_a_sheet_still_has_a_note(shown: Shown, changes):
    said = definition(name="mine", **{"protocol": PROTOCOL, **changes})
    shown.study.set_user_attr("definition", said)
    shown.dress()
    assert sorted(shown.artifacts(1)) == ["curves.png"]
    assert "**80.0 %** top-1 on digits" in shown.note(1)


def test_a_family_that_is_not_here_has_no_sheet(shown: Shown):
    attrs = {"frequency": (0, 20), "formula": "of_another_package"}
    shown.study.add_trial(trial("none", 1, 0.5, **attrs))
    shown.dress()
    assert sorted(shown.artifacts(5)) == ["curves.png"]
    assert "of\\_another\\_package" in shown.note(5)


def test_our_figures_are_graphs_of_the_study(shown: Shown, monkeypatch):
    optuna_dashboard = pytest.importorskip("optuna_dashboard")
    theirs = {f"{optuna_dashboard._custom_plot_data.SYSTEM_ATTR_PLOT_DATA}theirs:0": "{}"}
    db.set_study_attrs(shown.storage, shown.study_id, theirs)
    monkeypatch.setattr(dresser, "GRAPH_SECONDS", 0.0)
    monkeypatch.setattr(dresser, "GRAPH_REST", 0.0)
    worker = shown.dresser()
    worker.dress(seconds=0)
    found = optuna_dashboard._custom_plot_data.get_plotly_graph_objects(shown.attrs())
    assert {"explorer-accuracy", "theirs"} <= set(found)
    assert "best_practice" in found["explorer-accuracy"]
    shown.storage.set_trial_state_values(shown.trial_id(4), TrialState.COMPLETE, [0.9])
    worker.dress(seconds=0)
    after = optuna_dashboard._custom_plot_data.get_plotly_graph_objects(shown.attrs())
    assert after["explorer-accuracy"] != found["explorer-accuracy"]
    assert after["theirs"] == "{}"


def test_the_thread_says_once_what_is_wrong_and_goes_on(shown: Shown, monkeypatch, caplog):
    monkeypatch.setattr(dresser, "REFRESH_SECONDS", 0.01)
    worker = shown.dresser()
    rounds = threading.Semaphore(0)

    def fails(**_):
        rounds.release()
        raise OSError("no space left")

    monkeypatch.setattr(worker, "dress", fails)
    with worker:
        for _ in range(3):
            assert rounds.acquire(timeout=10)
    assert [record.getMessage() for record in caplog.records] == [
        "notes and pictures are not up to date: OSError: no space left"
    ]
