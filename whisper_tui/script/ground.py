"""What a script is played on: a mesh of its own, a simulated one, a recording."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Protocol

from mesh_core.api.reports import Audit
from mesh_core.api.schema import Event
from whisper_tui.clock import Clock
from whisper_tui.script.doing import Stage
from whisper_tui.script.looking import View
from whisper_tui.script.progress import Progress


class Ground(Protocol):
    """Begins and ends with a run. What it came to can be looked at afterwards as well."""

    @property
    def clock(self) -> Clock:
        """What the run is measured by."""
        ...

    def entered(
        self, rng: Random, progress: Progress, heard: Callable[[Event], None]
    ) -> AbstractAsyncContextManager[Stage]:
        """What verbs act on, for as long as the block runs; `heard` is called with every event.

        UserError when it cannot be begun.
        """
        ...

    def view(self, stage: Stage) -> View:
        """What can be looked at now."""
        ...

    async def audit(self) -> Audit | None:
        """What the stores of all participants prove, during a run or after it; None where there are none."""
        ...
