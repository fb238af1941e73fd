"""What to type to reach this program, and the mesh that is meant: hints are pasted, so they must work."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import sysconfig
from pathlib import Path

from whisper_tui.supervisor.rundir import find

NAME = "whisper-tui"

_COMMAND = re.compile(rf"(?<![\w/.-]){NAME}(?: (?!verify\b)([a-z]+(?:(?<=\bens) [a-z-]+)?)\b|(?= ))")
"""The name and, of a command that takes `--run-dir`, the command."""


def typed(text: str, run_dir: Path | None = None) -> str:
    """`text`, which suggests `whisper-tui COMMAND`, as it works in this folder's shell.

    With `run_dir`, about the mesh there: it is named where the command would not find it by itself.
    """
    named = _named(run_dir, Path.cwd()) if run_dir is not None else ""

    def command(found: re.Match[str]) -> str:
        start = shlex.quote(program())
        return f"{start} {found[1]}{named}" if found[1] else start

    return _COMMAND.sub(command, text)


_ASKING = re.compile(rf"(?<![\w/.-]){NAME} (submit|cancel|attach)\b")
"""Commands that reach a mesh by its control API too."""


def typed_at(text: str, control: str, token_file: Path) -> str:
    """`text`, which suggests `whisper-tui COMMAND`, as it works for the mesh behind a control API."""
    named = f" --control {shlex.quote(control)} --token-file {shlex.quote(str(token_file))}"
    return typed(_ASKING.sub(lambda found: f"{found[0]}{named}", text))


@functools.cache
def program() -> str:
    """`whisper-tui` when the shell finds this installation by it, else the shorter path of its script."""
    script = Path(sysconfig.get_path("scripts")) / NAME
    found = shutil.which(NAME)
    if not script.exists() or (found and script.samefile(found)):
        return NAME
    relative = os.path.relpath(script)
    return min(str(script), relative if os.sep in relative else f".{os.sep}{relative}", key=len)


@functools.cache
def _named(run_dir: Path, here: Path) -> str:
    """The option that names a run directory, seen from `here`; empty for the one that goes without saying."""
    if run_dir == find(None).root:
        return ""
    return f" --run-dir {shlex.quote(min(str(run_dir), os.path.relpath(run_dir, here), key=len))}"
