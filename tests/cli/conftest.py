"""The command line in this process: a program of its own would be started for its imports alone."""

import sys

import pytest

from explorer.cli import main


@pytest.fixture
def explorer(capsys, monkeypatch):
    """Run a command; returns its exit code and what it has printed on both streams."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["explorer", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return end.value.code, printed.out, printed.err

    return run
