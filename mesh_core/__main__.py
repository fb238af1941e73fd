"""`python -m mesh_core --config provider.toml`: one participant's mesh process, until it is told to stop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import uvloop

from axl import keys
from axl.keys import KeyFileError, PrivateKey
from axl.lifeline import LifelineError, lifeline
from axl.program import EXIT_REFUSED, Parser, UsageError, heed_signals, refuse
from mesh_core.io import settings as settings_file
from mesh_core.io.axl_transport import WrongKeyError
from mesh_core.io.executions import Executor, NoExecutor
from mesh_core.io.settings import Settings, SettingsError
from mesh_core.io.store import Store
from mesh_core.io.store_file import StoreError
from mesh_core.participant import Participant, PortTakenError

EXIT_STORE = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a participant. Returns 0 after a clean stop, 2 when something outside is wrong, 3 for a store that
    cannot be used (any more); then one line on stderr says what to do."""
    try:
        settings = settings_file.load(_config_path(arguments))
        descriptor = lifeline()
        uvloop.run(_run(settings, descriptor))
    except StoreError as error:
        return refuse("mesh", EXIT_STORE, error)
    except (UsageError, LifelineError, SettingsError, KeyFileError, PortTakenError, WrongKeyError) as error:
        return refuse("mesh", EXIT_REFUSED, error)
    return 0


def _config_path(arguments: Sequence[str] | None) -> Path:
    parser = Parser(prog="mesh_core", description="One participant of a mesh.", allow_abbrev=False)
    parser.add_argument("--config", required=True, type=Path, metavar="provider.toml")
    path: Path = parser.parse_args(arguments).config
    return path


async def _run(settings: Settings, descriptor: int | None) -> None:
    """Run until told to stop. Raises what `main` explains."""
    key = keys.load(settings.path(settings.key))
    token = settings_file.read_token(settings)
    store = Store.open(settings.path(settings.store), key.peer)
    try:
        participant = _participant(settings, key, token, store)
    except BaseException:
        store.close()
        raise
    heed_signals(participant.stopped, descriptor)
    try:
        await _until_stopped(participant)
    finally:
        await participant.close()
    if participant.failure is not None:
        raise participant.failure


def _participant(settings: Settings, key: PrivateKey, token: str, store: Store) -> Participant:
    executor = _executor(settings)
    try:
        return Participant(settings, key, token, store, store.load(), executor)
    except OSError as error:
        raise SettingsError(
            f"log {settings.path(settings.log)} cannot be written: {error.strerror}"
        ) from None


def _executor(settings: Settings) -> Executor:
    if not settings.executes:
        return NoExecutor()
    from mesh_core.work.executor import Executor as Worker  # noqa: PLC0415 (an operator loads none of it)
    from mesh_core.work.executor import WorkSettings  # noqa: PLC0415

    index = settings.path(settings.corpus_index) if settings.corpus_index else None
    backend = msgspec.structs.asdict(settings.backend)
    return Worker(WorkSettings(index, settings.exec_delay_s, slots=settings.slots, **backend))


async def _until_stopped(participant: Participant) -> None:
    """Start and wait; being told to stop also ends a start that waits for the disk or the AXL node."""
    starting = asyncio.ensure_future(participant.start())
    stopped = asyncio.ensure_future(participant.stopped.wait())
    await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        starting.result()
        await stopped
    else:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)


if __name__ == "__main__":
    sys.exit(main())
