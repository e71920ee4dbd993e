"""Nothing that explorer shows, stores or sends has the password of a database URL in it."""

import logging
import pickle

import pytest

from explorer import store
from explorer.errors import InputError, masked

SECRET = "s3cret"  # noqa: S105 - none of anyone


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://someone:{SECRET}@127.0.0.1:1/nowhere",
        f"postgresql+psycopg://someone:{SECRET}@[::1]:1/nowhere",
        f"postgresql://me@corp:{SECRET}@host/db",
        f"postgresql://me:p@ss/w:{SECRET}@host/db",
        f"postgresql://me:two words {SECRET}@host/db",
        f"postgresql://:{SECRET}@host",
        f"postgresql://me@host/db?password={SECRET}&sslmode=require",
        f"postgresql://me@host/db?sslmode=require&PASSWORD={SECRET}",
        f"postgresql://me@host/db?sslpassword={SECRET}",
        f"postgresql://me:{SECRET}{'x' * 200}@host/db",
        f"mysql://root:{SECRET}@host/db",
        f"postgresql://me:{SECRET}@host:port/db",
    ],
)
def test_an_error_line_has_no_password(url):
    assert SECRET not in store.masked(url)
    assert SECRET not in str(InputError("--storage", None, url, f"{url} is wrong"))
    with pytest.raises(InputError) as caught:
        store.connect(
            url if "127" in url or "host" not in url else url.replace("host", "127.0.0.1:1")
        )
    assert SECRET not in str(caught.value)


def test_a_masked_url_leaves_the_rest_of_the_line():
    with pytest.raises(InputError) as caught:
        store.connect(f"mysql://root:{SECRET}@host/db")
    assert str(caught.value) == (
        "--storage: 'mysql://root:***@host/db': mysql is not supported; "
        "write sqlite:///FILE.db or postgresql://USER@HOST/DATABASE"
    )


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////tmp/a:b/study.db",
        "postgresql://me@127.0.0.1:5432/test",
        "explorer run-study mine --address 10.0.0.1:6379 --set frequency=0..20",
    ],
)
def test_what_is_no_password_is_left_alone(text):
    assert masked(text) == text


def test_a_database_is_not_sent_anywhere(sqlite_url):
    with pytest.raises(TypeError, match="stays in its process"):
        pickle.dumps(store.connect(sqlite_url, create=True))


def test_the_log_has_no_password(caplog, monkeypatch):
    from explorer.store import retry

    monkeypatch.setattr(retry, "PATIENCE_SECONDS", 0.0)
    url = f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/db"

    @retry.patient
    def ask() -> None:
        import sqlalchemy as sa

        sa.create_engine(url).connect()

    with caplog.at_level(logging.WARNING), pytest.raises(retry.OutageError) as caught:
        ask()
    assert SECRET not in caplog.text + str(caught.value)
