"""The shared model server, `python -m mesh_core.work.model_server`.

One that says that there is no model is not asked again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from whisper_tui.supervisor.schema import ProcessView
from whisper_tui.supervisor.service import Service

MISSING = 3
"""Its exit code when the model or the library is not installed."""


def model_service(argv: Sequence[str], logs: Path, changed: Callable[[ProcessView], None]) -> Service:
    """Keeps it running."""
    return Service(
        "model", argv, logs, changed, greets=True, done_without={MISSING: "answers come from search"}
    )


def model_command(port: int) -> list[str]:
    """Its argv."""
    return [sys.executable, "-P", "-m", "mesh_core.work.model_server", "--port", str(port)]
