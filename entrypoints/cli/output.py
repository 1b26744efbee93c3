"""Output: a file is written whole or not at all; pipes and devices are written through."""

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from ..exits import Exit, Failure
from ..sheets import Sheet, SheetFormat, need_parquet, write_parquet, write_text, write_workbook

#: The usual name of standard output.
_STANDARD = Path("-")

#: A new file is for its owner only: it names people.
_MODE = 0o600


def write_to(output: Path | None, write: Callable[[TextIO], None]) -> None:
    """Write a text to a file or standard output; raise Failure, with the reason, if that cannot be written."""
    if output is None or output == _STANDARD:
        write(sys.stdout)
    else:
        _write(output, write, {"mode": "w", "encoding": "utf-8", "newline": ""})


def write_bytes_to(output: Path | None, write: Callable[[BinaryIO], None]) -> None:
    """Write a file that is no text: as `write_to` does, but not to a terminal."""
    if output is not None and output != _STANDARD:
        _write(output, write, {"mode": "wb"})
    elif sys.stdout.isatty():
        raise Failure("This is no text: name a file with --output, or send it into a pipe.", Exit.USAGE)
    else:
        write(sys.stdout.buffer)


def give(sheet: Sheet, format_: SheetFormat, output: Path | None, *, is_defused: bool = False) -> None:
    """Write a sheet to a file, or to standard output."""
    if format_ is SheetFormat.XLSX:
        write_bytes_to(output, lambda file: write_workbook(file, sheet))
    elif format_ is SheetFormat.PARQUET:
        need_parquet()
        write_bytes_to(output, lambda file: write_parquet(file, sheet))
    else:
        write_to(output, lambda file: write_text(file, format_, sheet, is_defused=is_defused))


def _write(output: Path, write: Callable[[Any], None], how: dict[str, Any]) -> None:
    try:
        with _opened(output, how) as file:
            write(file)
    except OSError as error:
        raise Failure(f"{output} cannot be written: {error.strerror or type(error).__name__}.", Exit.FAILED) from None


@contextlib.contextmanager
def _opened(output: Path, how: dict[str, Any]) -> Iterator[Any]:
    target = Path(os.path.realpath(output))  # a link stays one, and what it points at is written
    try:
        status = target.stat()
    except FileNotFoundError:
        status = None
    if status is not None and not stat.S_ISREG(status.st_mode):
        with target.open(**how) as device:  # a device or a pipe: no new file can replace it
            yield device
        return
    mode = _MODE if status is None else stat.S_IMODE(status.st_mode)
    number, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(number, **how) as file:
            os.fchmod(number, mode)
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
