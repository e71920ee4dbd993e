"""Files that commands write: all or nothing, devices as such, names that stay in their folder."""

import os
import stat
from pathlib import Path

import pytest

from explorer import files
from explorer.errors import InputError, OutageError


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path):
    path = tmp_path / "new" / "t.csv"
    assert files.write(path, "é\n") == path
    assert path.read_bytes() == "é\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600
    path.chmod(0o640)
    files.write(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [p.name for p in path.parent.iterdir()] == ["t.csv"]


def test_a_name_as_long_as_a_name_may_be(tmp_path):
    path = tmp_path / ("x" * 251 + ".csv")
    files.write(path, "1")
    assert path.read_text() == "1"
    with pytest.raises(InputError, match="cannot be written"):
        files.write(tmp_path / ("x" * 300), "1")


def test_a_link_is_followed(tmp_path):
    target, link = tmp_path / "there" / "t.csv", tmp_path / "t.csv"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    files.write(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_what_is_no_regular_file_is_written_straight(tmp_path):
    fifo = tmp_path / "t.csv"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    files.write(fifo, "rows")
    assert os.read(reader, 100) == b"rows"
    os.close(reader)
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    with pytest.raises(OutageError, match=r"cannot be written \(No space left"):
        files.write(Path("/dev/full"), "rows")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_nothing_is_left_where_writing_fails(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OutageError, match="full"):
        files.write(tmp_path / "t.csv", "new")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_no_folder_is_made_at_the_root():
    with pytest.raises(InputError, match="there is no folder /nosuch; make it first"):
        files.write(Path("/nosuch/deep/t.csv"), "1")
    assert not Path("/nosuch").exists()


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("mine@gpu+seed=3", "mine@gpu+seed=3"),
        ("../../evil", "_.._evil"),
        ("a b\x1b[31m/c", "a_b__31m_c"),
        ("研究", "研究"),
        ("..", "_"),
        ("x" * 300, "x" * 200),
    ],
)
def test_names_from_elsewhere_stay_in_their_folder(name, plain):
    assert files.plain_name(name) == plain


def test_an_ending_says_the_format_or_is_refused():
    assert files.ending(Path("T.CSV"), (".csv", ".md"), "--output") == ".csv"
    with pytest.raises(InputError, match=r"--output: 't\.xls': end its name in \.csv or \.md"):
        files.ending(Path("t.xls"), (".csv", ".md"), "--output")
