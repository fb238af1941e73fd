"""What to type to reach this program: its name, or its path where the shell would find another or none."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import sysconfig
from pathlib import Path

NAME = "whisper-tui"

_COMMAND = re.compile(rf"(?<![\w/.-]){NAME}(?= )")


def typed(text: str) -> str:
    """`text`, which suggests `whisper-tui COMMAND`, as it works in this folder's shell."""
    return _COMMAND.sub(lambda _: shlex.quote(program()), text)


@functools.cache
def program() -> str:
    """`whisper-tui` when the shell finds this installation by it, else the shorter path of its script."""
    script = Path(sysconfig.get_path("scripts")) / NAME
    found = shutil.which(NAME)
    if not script.exists() or (found and script.samefile(found)):
        return NAME
    relative = os.path.relpath(script)
    return min(str(script), relative if os.sep in relative else f".{os.sep}{relative}", key=len)
