"""`submit --axl URL`: a participant of its own for one question, found into the mesh through any AXL bridge.

The bridge is only asked for `/topology`, never for messages: those belong to whoever reads there. The guest
starts an AXL node and a mesh process with one of the submitter keys of the run directory (or a key given), asks,
waits and leaves; its store stays with its key, since a key with a forgotten past is nobody's to use.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from axl.endpoint import Endpoint, EndpointError, parse_endpoint
from axl.keys import KeyFileError, load
from mesh_core.api.client import ControlClient, ControlError, ControlUnavailable
from whisper_tui.actions import action_log
from whisper_tui.actions.actions import Submission
from whisper_tui.actions.terms import Terms
from whisper_tui.commands import answer, waiting
from whisper_tui.commands.act import BY
from whisper_tui.commands.addressee import addressed
from whisper_tui.commands.output import Progress, print_json, print_line
from whisper_tui.errors import ActionError, BadInput, MeshUnreachable, TimedOut
from whisper_tui.reach import Reach
from whisper_tui.supervisor.child import child_environment, end_all
from whisper_tui.supervisor.command_line import command_line
from whisper_tui.supervisor.participant import Participant
from whisper_tui.supervisor.plan import Plan, Seat
from whisper_tui.supervisor.ports import free_ports
from whisper_tui.supervisor.prepare import SUBMITTERS, ensure_key
from whisper_tui.supervisor.rundir import Locked, ParticipantDir, RunDir, lock
from whisper_tui.supervisor.schema import ProcessView
from whisper_tui.supervisor.settings_files import write_node_config, write_settings

JOIN_S = 20.0

LEFT_BEHIND = "its answer is sealed for the guest, who leaves: ask again to get one"


@dataclass(frozen=True)
class Visit:
    """How to join and what to ask for. `key` is a PEM file, one of the run directory's keys when None."""

    bridge: str
    key: Path | None
    terms: Terms
    wait: bool
    as_json: bool


class Topology(msgspec.Struct, frozen=True):
    """What is read of a bridge's `/topology`."""

    our_public_key: str
    peers: list[Neighbour] = []
    listen: list[str] = []


class Neighbour(msgspec.Struct, frozen=True):
    """A neighbour; its address is one to dial when the bridge's node dialled it itself."""

    uri: str = ""
    inbound: bool = False


async def submit(run: RunDir, text: str, visit: Visit) -> None:
    """Ask `text` as a guest, and wait for the answer unless told not to."""
    plan = Reach(run).plan()
    if visit.terms.to is not None:
        visit = replace(visit, terms=await addressed(Reach(run), visit.terms))
    if visit.key is not None:
        _check_unused(plan, visit.key)
    peers = await _listeners(visit.bridge)
    run.ensure_token()
    with _identity(run, visit.key) as files:
        async with _joined(run, plan, files, peers) as control:
            taken = await _asked(run, control, text, visit)
            if visit.wait:
                try:
                    ended = await waiting.wait_for(control, taken.query, visit.terms.total_ms)
                except asyncio.CancelledError:
                    sys.stderr.write(f"{taken.label} goes on; {LEFT_BEHIND}\n")
                    raise
                answer.show(ended, visit.as_json)
            elif visit.as_json:
                print_json(taken)
            else:
                print_line(f"{taken.label} {taken.state}: {len(taken.jobs)} jobs")


async def _asked(run: RunDir, control: ControlClient, text: str, visit: Visit) -> Submission:
    """The question, once it was taken; written down either way."""
    args = visit.terms.args()
    flags = {**visit.terms.flags(), "axl": visit.bridge, "key": visit.key}
    outcome = "done"
    try:
        return msgspec.convert(await control.command("submit", text=text, **args), Submission)
    except ControlError as error:
        outcome = str(error)
        raise ActionError(outcome) from error
    finally:
        with contextlib.suppress(OSError):  # a full disk keeps nobody from asking
            command = command_line("submit", text, **flags)
            action_log.append(run.action_log, BY, "submit", {"text": text, **args}, command, outcome)


async def _listeners(bridge: str) -> list[Endpoint]:
    """Addresses of AXL nodes that the bridge's node listens at or has dialled."""
    try:
        document = await ControlClient(bridge).get("/topology")
        topology = msgspec.json.decode(document, type=Topology)
    except ValueError as error:
        raise BadInput(f"--axl {bridge}: expected an AXL bridge such as http://127.0.0.1:9002") from error
    except (ControlError, ControlUnavailable) as error:
        raise MeshUnreachable(
            f"--axl {bridge}: {error}",
            "an AXL bridge is at http://127.0.0.1 and an axl_port of `whisper-tui nodes --json`",
        ) from error
    dialled = [neighbour.uri for neighbour in topology.peers if not neighbour.inbound]
    found: dict[Endpoint, None] = {}
    for uri in (*topology.listen, *dialled):
        with contextlib.suppress(EndpointError):  # a Go node has other kinds of links as well
            found[parse_endpoint(uri)] = None
    if not found:
        raise MeshUnreachable(f"--axl {bridge}: its node names no address to join at")
    return list(found)


@contextlib.contextmanager
def _identity(run: RunDir, key: Path | None) -> Iterator[ParticipantDir]:
    """The files of a submitter that nobody else uses meanwhile."""
    if key is None:
        folders = [run.submitters / name for name in SUBMITTERS]
    else:
        folders = [run.submitters / _peer_of(key).hex()[:16]]
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(Locked), lock(folder / "lock"):
            files = ParticipantDir(folder)
            files.check()
            if key is not None:
                files.key = key.expanduser().absolute()
            yield files
            return
    raise ActionError(
        "every submitter key is in use by another submit"
        if key is None
        else f"{key} is in use by another submit",
        "wait for one to end, or give another key with --key FILE",
    )


def _check_unused(plan: Plan, key: Path) -> None:
    """BadInput when `key` is a participant's of this mesh."""
    peer = _peer_of(key).hex()
    for seat in plan.participants:
        if seat.peer == peer:
            raise BadInput(
                f"--key {key}: is the key of {seat.name}", "ask with one of its own: keys --make FILE"
            )


def _peer_of(key: Path) -> bytes:
    try:
        return load(key).peer
    except KeyFileError as error:
        raise BadInput(str(error)) from error


@contextlib.asynccontextmanager
async def _joined(
    run: RunDir, plan: Plan, files: ParticipantDir, peers: list[Endpoint]
) -> AsyncIterator[ControlClient]:
    """The control API of a guest that has met the mesh; the guest leaves when the block ends."""
    key = ensure_key(files.key)
    seat = Seat(files.root.name, "submitter", key.peer.hex(), *free_ports(3))
    write_node_config(files, seat, peers)
    write_settings(files, plan, seat, run.token_file, {})
    guest = Participant(plan, seat, files, run.logs, run.token(), _unheard)
    read_end, write_end = os.pipe()
    try:
        guest.start(read_end, child_environment(os.environ))
        with Progress() as progress:
            progress.say("joining the mesh …")
            await _until_joined(guest)
        yield guest.control
    finally:
        await end_all([guest.provider])  # it says goodbye through its AXL node
        await end_all([guest.axl])
        os.close(read_end)
        os.close(write_end)


def _unheard(_: ProcessView) -> None:
    """Nobody follows the processes of a guest."""


async def _until_joined(guest: Participant) -> None:
    """Wait until the guest works and sees a provider."""
    if not await guest.ready():
        notes = [f"{child.view.part}: {child.view.note}" for child in guest.children if child.view.note]
        raise MeshUnreachable(f"the guest's own node did not start: {'; '.join(notes)}")
    try:
        async with asyncio.timeout(JOIN_S), contextlib.aclosing(guest.control.events()) as events:
            async for event in events:
                data = event.data
                if event.kind == "member" and data.get("role") == "provider" and data.get("state") == "alive":
                    return
    except TimeoutError:
        raise TimedOut(f"no provider was met in {JOIN_S:g} s", "is the mesh up? whisper-tui nodes") from None
    raise MeshUnreachable("the guest's own node ended")
