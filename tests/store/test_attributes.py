"""System attributes of a study, many at a time."""

import optuna
import pytest
import sqlalchemy as sa

from explorer import store as db


def test_attributes_are_set_replaced_and_removed_together(database_url):
    with db.disposing(db.connect(database_url, create=True)) as storage:
        studies = [optuna.create_study(study_name=name, storage=storage) for name in "ab"]
        one, other = (storage.get_study_id_from_name(study.study_name) for study in studies)
        storage.set_study_system_attr(other, "gone", 1)
        storage.set_study_system_attr(one, "gone", 1)
        storage.set_study_system_attr(one, "text", "before")
        db.set_study_attrs(storage, one, {"gone": None, "text": "after", "list": [1, "ä"]})
        db.set_study_attrs(storage, one, {})
        assert storage.get_study_system_attrs(one) == {"text": "after", "list": [1, "ä"]}
        assert storage.get_study_system_attrs(other) == {"gone": 1}
        with pytest.raises(sa.exc.IntegrityError):  # all of them or none
            db.set_study_attrs(storage, one + other, {"text": None, "a": 1})
