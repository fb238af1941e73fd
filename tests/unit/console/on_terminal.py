"""A console in the terminal that this program is started in, on a mesh that never was."""

from __future__ import annotations

import asyncio

from tests.unit.console.feeder import peer_of, rescue_story
from tests.unit.console.harness import Deeds, Fed
from whisper_tui.app import ConsoleOptions, run_console

if __name__ == "__main__":
    options = ConsoleOptions(primary=peer_of("operator"))
    print(asyncio.run(run_console(Fed(rescue_story()), Deeds(), options=options)))
