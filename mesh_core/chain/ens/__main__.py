"""`python -m mesh_core.chain.ens --config registrar.json`: the registrar, until it is told to stop.

Prints one line of JSON, `{"url": …}`, when it can be asked, then every view as it changes; what goes wrong is said on stderr.
Exit codes: 0 after SIGTERM or when the supervisor is gone, 2 when it cannot start because of something that somebody has to
change.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from axl.lifeline import LifelineError, lifeline
from axl.program import EXIT_REFUSED, Parser, UsageError, heed_signals, refuse
from mesh_core.chain.ens.errors import Misconfigured
from mesh_core.chain.ens.settings import load

NICENESS = 5
"""Below the mesh, which is not to wait for names."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Look after names until told to stop."""
    parser = Parser(prog="mesh_core.chain.ens", description="The registrar of names.", allow_abbrev=False)
    parser.add_argument("--config", required=True, type=Path, metavar="registrar.json")
    try:
        path: Path = parser.parse_args(arguments).config
        descriptor = lifeline()
        with suppress(OSError):
            os.nice(NICENESS)
        asyncio.run(_run(path, _token(path), descriptor))
    except (UsageError, LifelineError, Misconfigured) as error:
        return refuse("registrar", EXIT_REFUSED, error)
    except OSError as error:
        return refuse("registrar", EXIT_REFUSED, error)
    return 0


def _token(path: Path) -> str:
    file = path.parent / load(path).token_file
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"token {file}: {error}") from None


async def _run(path: Path, token: str, descriptor: int | None) -> None:
    from mesh_core.api.http import Server  # noqa: PLC0415 - after `nice`: a second of work that the mesh need not wait for
    from mesh_core.chain.ens.api import Api  # noqa: PLC0415
    from mesh_core.chain.ens.desk import Desk  # noqa: PLC0415
    from mesh_core.chain.ens.registrar import Registrar  # noqa: PLC0415

    stop = asyncio.Event()
    heed_signals(stop, descriptor)
    registrar = Registrar(path, token, os.environ, _tell)
    server = Server(Api(Desk(registrar)), token)
    await server.start("127.0.0.1", 0)
    _print({"url": f"http://127.0.0.1:{server.port}"})
    going = asyncio.create_task(registrar.run())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({going, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if going.done():
            await going
    finally:
        going.cancel()
        stopping.cancel()
        await asyncio.gather(going, return_exceptions=True)
        await server.close()


def _tell(kind: str, view: msgspec.Struct) -> None:
    _print({"kind": kind, "view": view})


def _print(line: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
