"""What several tests of datasets need."""

import sys

import pytest

from explorer.cli import main


@pytest.fixture
def explorer(monkeypatch, capsys):
    """Run the command line; returns the exit code, the output and the errors."""

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["explorer", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    return run
