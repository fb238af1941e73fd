"""Whose a file or folder is: what others own or can change is not acted on, and no secret is taken that others can read.

A run directory says which programs are started and holds the keys they sign with; whoever can plant one where somebody
works would otherwise have their own run.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from whisper_tui.errors import BadInput

WRITABLE = stat.S_IWGRP | stat.S_IWOTH
OPEN = stat.S_IRWXG | stat.S_IRWXO


_ELSEWHERE = "or choose another run directory with --run-dir DIR"


def check(path: Path, *, secret: bool = False) -> None:
    """BadInput unless `path` is the user's own, nobody else can write it, and, if it is a secret, read it either. What
    is not there is nobody's."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    _refuse(path, status, secret, _ELSEWHERE)


def read(path: Path, *, secret: bool = False, other: str = _ELSEWHERE) -> bytes:
    """The content of a file that `check` lets through, looked at once it is open: nobody can exchange it in between.
    `other` is what else to do than mending it.

    Raises OSError when it cannot be read.
    """
    with path.open("rb") as file:
        _refuse(path, os.fstat(file.fileno()), secret, other)
        return file.read()


def owner(status: os.stat_result) -> str:
    """The name of another user that owns something, empty when it is one's own."""
    if status.st_uid == os.geteuid():
        return ""
    try:
        return pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        return f"user {status.st_uid}"


def _refuse(path: Path, status: os.stat_result, secret: bool, other: str) -> None:
    if name := owner(status):
        raise BadInput(f"{path} belongs to {name}, not to you", f"work as {name}, {other}")
    mode = stat.S_IMODE(status.st_mode)
    if mode & WRITABLE:
        raise BadInput(f"{path} can be written by others", f"chmod go-w {path}, {other}")
    if secret and mode & OPEN:
        raise BadInput(f"{path} can be read by others", f"chmod go= {path}, {other}")
