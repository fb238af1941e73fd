"""Files that the operator asks for: what is on the screen, written down."""

from __future__ import annotations

import os
import re
from datetime import datetime
from itertools import count
from pathlib import Path

from whisper_tui.errors import UserError

_ODD = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_MAX = 80


def _plain(name: str) -> str:
    """A title as part of a file's name: titles hold what others are called, who must not choose where a file goes."""
    return _ODD.sub("-", name).strip("-.")[:_NAME_MAX] or "page"


def write_export(folder: Path, name: str, suffix: str, text: str, at_ms: float) -> Path:
    """Write a new file named after what it shows and when, readable by its owner only; where it is. UserError if it
    cannot be written."""
    moment = datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y%m%d-%H%M%S")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in count(1):
            path = folder / f"{_plain(name)}-{moment}{f'-{number}' if number > 1 else ''}.{suffix}"
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                continue
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            return path
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}", "make room or leave to write there") from error
    raise AssertionError("numbers do not end")
