"""Pictures that a script keeps: their names, and the folder they go to."""

from __future__ import annotations

import os
import re
from pathlib import Path

from whisper_tui.errors import ActionError, BadInput

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(svg|txt)")

EXPECTED = "a file name that ends with .svg or .txt, such as takeover.svg, without a folder"


def check(name: str) -> None:
    """ValueError unless a picture may be called so: a script writes nowhere but into the folder that was chosen."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"expected {EXPECTED}, not {name!r}")


def folder(path: Path, option: str) -> Path:
    """The folder, made if it is not there. BadInput when nothing can be written to it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{option} {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise BadInput(f"{option} {path}: not writable")
    return path


def keep(path: Path, content: str) -> None:
    """Write a picture. ActionError when that is impossible."""
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise ActionError(f"{path} cannot be written: {error.strerror}") from error
