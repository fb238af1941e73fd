"""Participants as real processes on free ports, without a supervisor: started, watched through their API, ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axl import keys
from mesh_core.api.client import ControlClient, ControlError, ControlUnavailable
from mesh_core.api.schema import Event, State
from tests.ports import free_ports

TOKEN = "0123456789abcdef0123456789abcdef"
PATIENCE_S = 20.0
RETRY_S = 0.02


@dataclass
class Participant:
    """One participant's folder and processes."""

    name: str
    folder: Path
    axl_port: int
    listen_port: int
    control_port: int
    key: keys.PrivateKey
    axl: subprocess.Popen[bytes] | None = None
    provider: subprocess.Popen[bytes] | None = None
    lifeline: int | None = None
    _clients: list[ControlClient] = field(default_factory=list)

    @property
    def peer(self) -> str:
        return self.key.peer.hex()

    @property
    def settings(self) -> Path:
        return self.folder / "provider.toml"

    def client(self) -> ControlClient:
        client = ControlClient(f"http://127.0.0.1:{self.control_port}", TOKEN)
        self._clients.append(client)
        return client

    def start_axl(self) -> None:
        with (self.folder / "axl.log").open("ab") as log:
            argv = [sys.executable, "-m", "axl", "-config", "node-config.json"]
            self.axl = subprocess.Popen(argv, cwd=self.folder, stderr=log)

    def start_provider(self, *, lifeline: int | None = None) -> subprocess.Popen[bytes]:
        env = dict(os.environ)
        env.pop("WHISPER_LIFELINE_FD", None)
        if lifeline is not None:
            env["WHISPER_LIFELINE_FD"] = str(lifeline)
        argv = [sys.executable, "-m", "mesh_core", "--config", str(self.settings)]
        passed = () if lifeline is None else (lifeline,)
        with (self.folder / "provider.err").open("ab") as log:
            self.provider = subprocess.Popen(argv, stderr=log, env=env, pass_fds=passed)
        return self.provider

    def refusal(self) -> tuple[int, str]:
        """Exit code and stderr of a start that is expected to fail."""
        argv = [sys.executable, "-m", "mesh_core", "--config", str(self.settings)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return done.returncode, done.stderr

    def change(self, old: str, new: str) -> None:
        text = self.settings.read_text()
        assert old in text
        self.settings.write_text(text.replace(old, new))

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "provider.log").read_text().splitlines()]

    async def health(self) -> dict[str, Any]:
        """Its health, as soon as it answers."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    return await self.client().health()
                except ControlUnavailable:
                    assert self.provider is not None
                    assert self.provider.poll() is None, (self.folder / "provider.err").read_text()
                    await asyncio.sleep(RETRY_S)

    async def state_when(self, wanted: Callable[[State], bool]) -> State:
        """The state as soon as it is as wanted: looked at when it starts and after every event."""
        await self.health()
        async with asyncio.timeout(PATIENCE_S):
            async for _ in self.client().events():
                state = await self.client().state()
                if wanted(state):
                    return state
        raise AssertionError(f"{self.name} ended")

    async def event(self, kind: str, last_event_id: int | None = None) -> Event:
        """The next event of a kind."""
        async with asyncio.timeout(PATIENCE_S):
            async for event in self.client().events(last_event_id):
                if event.kind == kind:
                    return event
        raise AssertionError(f"{self.name} ended")

    def end(self) -> None:
        for process in (self.provider, self.axl):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()


class Mesh:
    """Participants in one folder. `shards` parts of a corpus at `corpus_index`, if any."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.participants: list[Participant] = []
        (root / "token").write_text(TOKEN + "\n")

    def add(
        self, name: str, *, executes: bool = False, submitters: Sequence[Participant] = ()
    ) -> Participant:
        """One more participant, not started; it dials the first one."""
        folder = self.root / name
        folder.mkdir()
        key = keys.make(folder / "key.pem")
        participant = Participant(name, folder, *free_ports(3), key)
        dialled = [f"tls://127.0.0.1:{one.listen_port}" for one in self.participants[:1]]
        config = {
            "PrivateKeyPath": "key.pem",
            "Peers": dialled,
            "Listen": [f"tls://127.0.0.1:{participant.listen_port}"],
            "api_port": participant.axl_port,
        }
        (folder / "node-config.json").write_text(json.dumps(config))
        credit = "".join(f'"{one.peer}" = 10_000_000\n' for one in (participant, *submitters))
        participant.settings.write_text(
            f'name = "{name}"\nrole = "{"provider" if executes else "operator"}"\nnetwork = "local"\nfast = true\n'
            f'key = "key.pem"\nstore = "store.db"\naxl_url = "http://127.0.0.1:{participant.axl_port}"\n'
            f'control_port = {participant.control_port}\ntoken_file = "../token"\nlog = "provider.log"\n'
            f"executes = {str(executes).lower()}\nprice_micro = 10_000\nshards_total = 1\n"
            f"capabilities = {['answer', 'combine'] if executes else []}\n[credit]\n{credit}"
        )
        self.participants.append(participant)
        return participant

    def start(self) -> None:
        for participant in self.participants:
            participant.start_axl()
            participant.start_provider()

    async def converged(self) -> None:
        """Wait until everybody sees everybody alive."""
        others = len(self.participants) - 1

        def complete(state: State) -> bool:
            alive = [member for member in state.members if member.state == "alive"]
            return state.node.ready and len(alive) == others + 1

        await asyncio.gather(*(one.state_when(complete) for one in self.participants))

    def end(self) -> None:
        for participant in self.participants:
            participant.end()


__all__ = ["PATIENCE_S", "TOKEN", "ControlError", "Mesh", "Participant"]
