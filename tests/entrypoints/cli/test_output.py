"""A file is written whole or not at all."""

import os
import stat
import threading
from pathlib import Path

import pytest

from entrypoints.cli.output import write_to
from entrypoints.exits import Exit, Failure


def write(text: str):
    """Return a function that writes a text."""
    return lambda file: file.write(text)


def mode(path: Path) -> int:
    """Return the rights of a file."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("output", [None, Path("-")])
def test_standard_output(output, capsys):
    """No name, and the usual name of standard output, are standard output."""
    write_to(output, write("a\n"))
    assert capsys.readouterr().out == "a\n"


def test_a_new_file_is_its_owners(tmp_path):
    """A new file names people: only its owner may read it."""
    write_to(tmp_path / "new", write("a"))
    assert (mode(tmp_path / "new"), (tmp_path / "new").read_text()) == (0o600, "a")


def test_an_old_file_keeps_its_rights(tmp_path):
    """A file that is replaced keeps the rights that somebody gave it."""
    file = tmp_path / "old"
    file.write_text("before")
    file.chmod(0o640)
    write_to(file, write("after"))
    assert (mode(file), file.read_text()) == (0o640, "after")


def test_a_file_is_whole_or_as_it_was(tmp_path):
    """If writing fails in the middle, the file is as before, and no part of the new one is left."""
    file = tmp_path / "file"
    file.write_text("before")

    def fail(out) -> None:
        out.write("half")
        raise KeyError

    with pytest.raises(KeyError):
        write_to(file, fail)
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_stays_one(tmp_path):
    """What a link points at is written; the link itself stays."""
    (tmp_path / "target").write_text("before")
    (tmp_path / "link").symlink_to("target")
    write_to(tmp_path / "link", write("after"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "after"


def test_a_pipe_is_written_through(tmp_path):
    """A named pipe is not replaced by a file: its reader gets the text."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_to(pipe, write("a line\n"))
    reader.join(10)
    assert read == ["a line\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("output", ["missing/file", "."])
def test_what_cannot_be_written_is_named(tmp_path, output):
    """A folder that is not there, and a folder in the place of a file, are errors with their name."""
    with pytest.raises(Failure, match="cannot be written") as caught:
        write_to(tmp_path / output, write("a"))
    assert caught.value.status is Exit.FAILED
