"""The run directory of a script: fresh for every run, and gone afterwards unless somebody wants to see it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from whisper_tui.errors import BadInput
from whisper_tui.supervisor.rundir import RunDir


def chosen(folder: Path) -> RunDir:
    """The directory somebody named, emptied. BadInput when something else than an earlier script filled it."""
    folder = folder.expanduser().absolute()
    run = RunDir(folder)
    if folder.is_dir() and any(folder.iterdir()) and not run.script_mark.is_file():
        raise BadInput(
            f"run directory {folder} is neither empty nor of an earlier script",
            "choose another one: a script starts a mesh of its own",
        )
    if run.running() is not None:
        raise BadInput(f"a mesh runs in {folder}", f"end it first: whisper-tui down --run-dir {folder}")
    try:
        _empty(folder)
        run.make()
        run.script_mark.touch()
    except OSError as error:
        raise BadInput(f"run directory {folder}: {error.strerror}") from error
    return run


def temporary(name: str) -> RunDir:
    """A new directory that nobody else can read."""
    safe = "".join(char if char.isalnum() else "-" for char in name)[:32]
    run = RunDir(Path(tempfile.mkdtemp(prefix=f"whisper-{safe}-")))
    run.script_mark.touch()
    return run


def remove(run: RunDir) -> None:
    """Delete a directory that was made by a script."""
    if run.script_mark.is_file():
        shutil.rmtree(run.root, ignore_errors=True)


def _empty(folder: Path) -> None:
    if not folder.is_dir():
        return
    for item in folder.iterdir():
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item)
        else:
            item.unlink()
