"""A message through two AXL bridges and back, by visitors who take no part in the market.

Every participant's own bridge has a client that reads all that arrives there. So two AXL nodes with fresh keys
join for a moment, each known to one participant only: that they reach each other is what the mesh's AXL nodes
arrange.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import secrets
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

from axl.keys import make
from whisper_tui.errors import ActionError
from whisper_tui.script.doing import Nothing, Stage
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor.child import Child
from whisper_tui.supervisor.participant import axl_command
from whisper_tui.supervisor.plan import Plan, Seat
from whisper_tui.supervisor.ports import free_ports
from whisper_tui.supervisor.rundir import ParticipantDir, RunDir
from whisper_tui.supervisor.schema import ProcessView
from whisper_tui.supervisor.settings_files import write_node_config

MESSAGE_BYTES = 4096
ANSWER_S = 5.0
SENDER_CHARS = 16
"""The Go node knows no more of a sender than the beginning of its key."""

PAUSE_FIRST_S = 0.02
PAUSE_MAX_S = 0.25
"""A bridge that has just been started, or does not know the way yet, is asked again after so long."""


@dataclass(frozen=True)
class _Visitor:
    seat: Seat
    files: ParticipantDir


async def bridge_roundtrip(stage: Stage, _: Nothing) -> str:
    """Send random bytes from one visitor to the other and back; both must arrive unchanged, from the right key."""
    assert stage.run is not None, "only processes have bridges"
    plan = plans.load(stage.run.plan)
    assert plan is not None, "a stage has a mesh"
    visitors = [
        _visitor(stage.run, "visitor1", plan.participants[0]),
        _visitor(stage.run, "visitor2", plan.participants[-1]),
    ]
    with _running(plan, visitors):
        began = time.monotonic()
        there, back = visitors
        await _carry(there, back)
        took_ms = (time.monotonic() - began) * 1000
        await _carry(back, there)
    return f"{MESSAGE_BYTES} bytes there and back between two bridges, the first after {took_ms:.0f} ms"


def _visitor(run: RunDir, name: str, known: Seat) -> _Visitor:
    """Key, ports and configuration of an AXL node that knows one participant."""
    files = ParticipantDir(run.root / "visitors" / name)
    shutil.rmtree(files.root, ignore_errors=True)
    files.root.mkdir(mode=0o700, parents=True)
    key = make(files.key)
    bridge, listener = free_ports(2)
    seat = Seat(name, "submitter", key.peer.hex(), bridge, listener, control_port=0)
    write_node_config(files, seat, [known.listener])
    return _Visitor(seat, files)


@contextlib.contextmanager
def _running(plan: Plan, visitors: list[_Visitor]) -> Iterator[None]:
    """The visitors' AXL nodes, which also end with this process."""
    read_end, write_end = os.pipe()
    children = [Child(ProcessView(one.seat.name, "axl"), lambda view: None) for one in visitors]
    try:
        for child, one in zip(children, visitors, strict=True):
            child.start(axl_command(plan.axl_node, one.seat, one.files), read_end, dict(os.environ))
        yield
    finally:
        for child in children:
            child.kill()
        os.close(read_end)
        os.close(write_end)


async def _carry(sender: _Visitor, receiver: _Visitor) -> None:
    """One message from bridge to bridge."""
    body = secrets.token_bytes(MESSAGE_BYTES)
    headers = {"X-Destination-Peer-Id": receiver.seat.peer}
    await _until_ok(lambda: _ask(sender, "POST", "/send", body, headers))
    while True:
        received = await _until_ok(lambda: _ask(receiver, "GET", f"/recv?wait={ANSWER_S:g}"))
        if received.body == body:
            break  # participants greet whoever becomes their neighbour: those messages are not ours
    if received.sender[:SENDER_CHARS] != sender.seat.peer[:SENDER_CHARS]:
        raise ActionError(f"{receiver.seat.name} was told that the message came from {received.sender}")


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    sender: str


async def _until_ok(ask: Callable[[], Awaitable[_Answer | None]]) -> _Answer:
    """Ask until it works: nothing but an attempt tells that a bridge listens, has found a way or has a message."""
    pause_s = PAUSE_FIRST_S
    while True:
        answer = await ask()
        if answer is not None and answer.status == http.HTTPStatus.OK:
            return answer
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, PAUSE_MAX_S)


async def _ask(
    one: _Visitor, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> _Answer | None:
    """What the visitor's bridge answers; None when it does not answer at all."""

    def exchange() -> _Answer | None:
        connection = http.client.HTTPConnection("127.0.0.1", one.seat.axl_port, timeout=2 * ANSWER_S)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return _Answer(answer.status, answer.read(), answer.headers.get("X-From-Peer-Id", ""))
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    return await asyncio.to_thread(exchange)
