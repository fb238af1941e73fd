"""`python -m mesh_core.chain.anvil --dir DIR`: an `anvil` on PATH in place of the local chain, with the same ENS on it.

Prints the same line of JSON when it is ready. Keeps `root.key` and `anvil.json` in DIR; what `anvil` has not written there
when it is killed, up to some seconds, is lost. Exit codes: 0 after SIGTERM or when the supervisor is gone, 3 when no `anvil`
is installed, 2 when it cannot start because of something that somebody has to change, 1 when it has failed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

from axl.lifeline import LifelineError, end_with_supervisor
from mesh_core.chain import addresses
from mesh_core.chain.local.genesis import CHAIN_ID, genesis_accounts
from mesh_core.chain.local.root import ROOT_KEY_FILE, RootKeyError, root_key

STATE_FILE = "anvil.json"
WRITTEN_EVERY_S = 2
READY_S = 10.0
POLL_S = 0.05
CALL_S = 5.0

FAILED = 1
CANNOT_START = 2
MISSING = 3


class _Failed(Exception):
    """It does not do what it should; the message is one line."""


def main(arguments: list[str] | None = None) -> int:
    """Run one until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m mesh_core.chain.anvil")
    parser.add_argument("--dir", type=Path, required=True, help="where its state and the root key are kept")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    chosen = parser.parse_args(arguments)
    program = shutil.which("anvil")
    if program is None:
        sys.stderr.write("chain: no anvil is on PATH\n")
        return MISSING
    signal.signal(signal.SIGTERM, _end)
    try:
        end_with_supervisor()
        chosen.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        root = root_key(chosen.dir / ROOT_KEY_FILE).public_key
    except (LifelineError, RootKeyError, OSError) as error:
        sys.stderr.write(f"chain: {error}\n")
        return CANNOT_START
    port = chosen.port or _free_port()
    with subprocess.Popen(_command(program, chosen.dir, port), stdout=subprocess.DEVNULL) as anvil:  # noqa: S603 - ours
        try:
            url = f"http://127.0.0.1:{port}"
            _until_answered(anvil, url)
            _lay_out(url, root.to_canonical_address())
            about = {"url": url, "chain_id": CHAIN_ID, "root": root.to_checksum_address()}
            sys.stdout.write(json.dumps(about) + "\n")
            sys.stdout.flush()
            anvil.wait()
            sys.stderr.write(f"chain: anvil ended with exit code {anvil.returncode}\n")
            return FAILED
        except _Failed as error:
            sys.stderr.write(f"chain: {error}\n")
            return FAILED
        finally:
            anvil.terminate()  # it writes its state first


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _command(program: str, folder: Path, port: int) -> list[str]:
    """Its own accounts are left without money: only the root account of this directory has any."""
    options = {
        "--host": "127.0.0.1",
        "--port": port,
        "--chain-id": CHAIN_ID,
        "--accounts": 1,
        "--balance": 0,
        "--state": folder / STATE_FILE,
        "--state-interval": WRITTEN_EVERY_S,
    }
    return [program, *(str(word) for option in options.items() for word in option), "--no-cors", "--silent"]


def _until_answered(anvil: subprocess.Popen[bytes], url: str) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        if anvil.poll() is not None:
            raise _Failed(f"anvil ended with exit code {anvil.returncode} before it answered")
        try:
            found = int(_call(url, "eth_chainId"), 16)
        except httpx.TransportError:
            time.sleep(POLL_S)
            continue
        if found != CHAIN_ID:
            raise _Failed(f"what answers at {url} is another chain, {found}")
        return
    raise _Failed(f"anvil does not answer after {READY_S:g} s")


def _lay_out(url: str, root: bytes) -> None:
    """Put the accounts of the local chain's first block there, unless the state that was kept has them."""
    if _call(url, "eth_getCode", addresses.REGISTRY, "latest") != "0x":
        return
    for address, account in genesis_accounts(root).items():
        where = "0x" + address.hex()
        if account.balance:
            _call(url, "anvil_setBalance", where, hex(account.balance))
        if account.code:
            _call(url, "anvil_setCode", where, "0x" + account.code.hex())
        for slot, word in account.storage.items():
            _call(url, "anvil_setStorageAt", where, f"0x{slot:064x}", f"0x{word:064x}")


def _call(url: str, method: str, *params: str) -> Any:
    """Raises _Failed, and httpx.TransportError when nobody answers."""
    asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    try:
        answer = httpx.post(url, json=asked, timeout=CALL_S, trust_env=False).json()
    except ValueError:
        raise _Failed(f"anvil answers {method} with something that is not JSON") from None
    if not isinstance(answer, dict) or "result" not in answer:
        raise _Failed(f"anvil refuses {method}: {str(answer)[:200]}")
    return answer["result"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
