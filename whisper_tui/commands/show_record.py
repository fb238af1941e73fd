"""`ledger show HASH`: one signed record, what it says, and what comes of checking it."""

from __future__ import annotations

import shutil
import sys
import time
from functools import partial

from msgspec import Struct

from mesh_core.api.schema import CheckedRecord, State
from whisper_tui.commands.output import print_json, print_line
from whisper_tui.errors import ActionError, BadInput
from whisper_tui.model.evidence import Answer, Ask
from whisper_tui.model.inert import inert
from whisper_tui.model.views.base import Frame
from whisper_tui.model.views.record_page import raw_detail, record_detail
from whisper_tui.program import typed
from whisper_tui.reach import Reach, picture_of
from whisper_tui.sources.records import MeshRecords
from whisper_tui.supervisor.rundir import RunDir

PIPE_WIDTH = 100
_HASH_CHARS = 64


class Manner(Struct, frozen=True):
    """`at`: whose replica checks it, None for whoever holds it, the operator first. `raw`: its bytes instead."""

    at: str | None
    raw: bool
    json: bool


async def show(run: RunDir, name: str, manner: Manner) -> None:
    """Print the record whose hash is `name`, or begins so and is among the newest. Exit code 1 when a check fails."""
    reach = Reach(run)
    state = await reach.state(manner.at)
    full = _hash(name, state)
    by, record = await MeshRecords(partial(reach.askable, manner.at)).record(full)
    if manner.json:
        print_json(record)
    else:
        frame = Frame(
            picture_of(await reach.status(), state),
            time.time() * 1000,
            typed=partial(typed, run_dir=run.root),
            evidence={Ask("record", full): Answer(by, record=record)},
        )
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH
        for line in (raw_detail if manner.raw else record_detail)(frame, full, width):
            print_line("".join(span.text for span in line).rstrip())
    if failed := _failed(record):
        raise ActionError(f"{by} finds: {failed}")


def _hash(name: str, state: State) -> str:
    """The hash that is meant. BadInput for what is none, ActionError when it means no record, or several."""
    wanted = name.lower()
    if not wanted or wanted.strip("0123456789abcdef") or len(wanted) > _HASH_CHARS:
        raise BadInput(
            f"{inert(name, 80)}: a record's hash is {_HASH_CHARS} hexadecimal characters",
            "`whisper-tui ledger --json` lists them",
        )
    if len(wanted) == _HASH_CHARS:
        return wanted
    found = [record.hash for record in state.records if record.hash.startswith(wanted)]
    if len(found) > 1:
        raise ActionError(f"{len(found)} of the newest records begin with {wanted}: add a few characters")
    if not found:
        raise ActionError(
            f"none of the {len(state.records)} newest records begins with {wanted}",
            "of older ones the whole hash is needed",
        )
    return found[0]


def _failed(record: CheckedRecord) -> str:
    """Which checks did not hold, in one line."""
    return "; ".join(inert(f"{check.what}: {check.told}", 160) for check in record.checks if not check.holds)
