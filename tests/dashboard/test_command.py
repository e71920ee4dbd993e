"""``explorer dashboard``: what it refuses, and where it listens."""

import socket
import sys

import pytest

from explorer.cli import cli
from explorer.errors import InputError
from tests.dashboard.conftest import Shown


@pytest.fixture
def dashboard(shown: Shown, monkeypatch, tmp_path):
    """Call the command on the study's database, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    url = shown.storage.engine.url.render_as_string(hide_password=False)

    def call(*arguments: str) -> int:
        return cli.main(["dashboard", *arguments, "--storage", url], standalone_mode=False)

    return call


def test_a_study_that_is_not_there(dashboard, tmp_path):
    with pytest.raises(InputError, match="'mime': not in this database; did you mean 'mine'"):
        dashboard("mime")
    assert not (tmp_path / ".explorer").exists()


def test_a_place_that_is_none(dashboard):
    with pytest.raises(InputError, match="--artifacts: 'ftp://x': no place for files"):
        dashboard("--artifacts", "ftp://x")


def test_without_optuna_dashboard(dashboard, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    with pytest.raises(InputError, match=r"needs optuna-dashboard: pip install 'fdsl-explorer\["):
        dashboard()


def test_a_port_that_is_taken(dashboard):
    pytest.importorskip("optuna_dashboard")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port: '127.0.0.1:{port}': cannot listen there"):
            dashboard("--port", str(port))


def test_a_host_that_is_none(dashboard):
    pytest.importorskip("optuna_dashboard")
    with pytest.raises(InputError, match=r"'256\.0\.0\.1:8080': cannot listen there"):
        dashboard("--host", "256.0.0.1")
