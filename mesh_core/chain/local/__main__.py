"""`python -m mesh_core.chain.local --dir DIR`: the local chain, served over JSON-RPC on loopback.

Prints one line of JSON, `{"url": …, "chain_id": …, "root": ADDRESS}`, when it is ready; everything later goes to stderr.
Keeps `root.key` and `chain.db` in DIR. Exit codes: 0 after SIGTERM or when the supervisor is gone, 2 when it cannot start
because of something that somebody has to change, 1 when the chain has failed: started again, it heals.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path

from axl.lifeline import LifelineError, end_with_supervisor
from mesh_core.chain.local.chain import LocalChain
from mesh_core.chain.local.genesis import CHAIN_ID
from mesh_core.chain.local.root import ROOT_KEY_FILE, RootKeyError, root_key
from mesh_core.chain.local.rpc import RpcServer
from mesh_core.chain.local.store import Damaged

CHAIN_FILE = "chain.db"
SET_ASIDE = ".old"
NICENESS = 5
"""Below the mesh, which is not to wait for names."""

CANNOT_START = 2
FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m mesh_core.chain.local")
    parser.add_argument("--dir", type=Path, required=True, help="where the chain and its root key are kept")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    chosen = parser.parse_args(arguments)
    with suppress(OSError):
        os.nice(NICENESS)
    try:
        end_with_supervisor()
        chosen.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        root = root_key(chosen.dir / ROOT_KEY_FILE).public_key
        chain = opened(chosen.dir / CHAIN_FILE, root.to_canonical_address())
    except (LifelineError, RootKeyError, sqlite3.Error, OSError) as error:
        sys.stderr.write(f"chain: {error}\n")
        return CANNOT_START
    try:
        return asyncio.run(_serve(chain, chosen.port, root.to_checksum_address()))
    except OSError as error:
        sys.stderr.write(f"chain: cannot listen on port {chosen.port}: {error.strerror}\n")
        return CANNOT_START
    finally:
        chain.close()


def opened(path: Path, root: bytes) -> LocalChain:
    """The chain in `path`. One that cannot be gone on with is set aside and a new one begins: names are registered anew."""
    try:
        chain = LocalChain(path, root)
    except Damaged as error:
        sys.stderr.write(f"chain: {path} is set aside, a new one begins: {error}\n")
        for suffix in ("", "-wal", "-shm"):
            there = path.with_name(path.name + suffix)
            if there.exists():
                there.replace(path.with_name(path.name + SET_ASIDE + suffix))
        chain = LocalChain(path, root)
    chain.freshen()
    return chain


async def _serve(chain: LocalChain, port: int, root: str) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    def failed(error: BaseException) -> None:
        sys.stderr.write(f"chain: failed: {type(error).__name__}: {error}\n")
        loop.call_soon_threadsafe(end, FAILED)

    server = RpcServer(chain, failed)
    await server.start(port)
    loop.add_signal_handler(signal.SIGTERM, end, 0)
    sys.stdout.write(json.dumps({"url": server.url, "chain_id": CHAIN_ID, "root": root}) + "\n")
    sys.stdout.flush()
    try:
        return await ended
    finally:
        await server.close()


if __name__ == "__main__":
    sys.exit(main())
