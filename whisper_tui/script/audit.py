"""The audit of a run: `python -m mesh_core.io.audit` over the stores of all participants, in a process of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterable

import msgspec

from mesh_core.api.reports import Audit
from whisper_tui.errors import MeshUnreachable
from whisper_tui.supervisor.rundir import RunDir

AUDIT_S = 120.0
"""How long reading the stores may take."""


async def audit(run: RunDir, live: Iterable[str], gone: Iterable[str]) -> Audit:
    """Read the stores of the participants of `run`. MeshUnreachable, with the reason, when that is impossible."""
    live_files = [str(run.participant(name).settings) for name in live]
    gone_files = [str(run.participant(name).settings) for name in gone]
    reader = await asyncio.create_subprocess_exec(
        sys.executable,
        *["-P", "-m", "mesh_core.io.audit", "--live", *live_files, "--gone", *gone_files],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(AUDIT_S):
            out, errors = await reader.communicate()
    except BaseException as error:
        reader.kill()
        await reader.wait()
        if isinstance(error, TimeoutError):
            raise MeshUnreachable(f"the stores could not be read in {AUDIT_S:g} s") from None
        raise
    if reader.returncode != 0:
        why = errors.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise MeshUnreachable(f"the stores could not be read: {why or f'exit code {reader.returncode}'}")
    return msgspec.json.decode(out, type=Audit)
