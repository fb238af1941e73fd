"""`ens`: names on the chain, as the registrar of this mesh knows them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from mesh_core.api.client import ControlClient, ControlError, ControlUnavailable
from mesh_core.chain.ens.schema import RECORD_CHARS_MAX, ChainView, Directory, NameView
from mesh_core.chain.ens.settings import URL_VARIABLE
from whisper_tui.commands.output import print_json, print_line, print_table, print_text
from whisper_tui.commands.starting import until_started
from whisper_tui.errors import ActionError, BadInput, MeshUnreachable
from whisper_tui.model.inert import inert
from whisper_tui.model.names import binding, spelled
from whisper_tui.model.views.base import seconds
from whisper_tui.model.views.ens import records_on_a_line
from whisper_tui.reach import Reach
from whisper_tui.supervisor.chain_choice import NETWORKS, OFF, chain_url
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import Status

T = TypeVar("T")

ANSWER_S = 120.0
"""Names are read and written one after the other, and a chain takes its time."""

NOTHING = "–"
NONE = "no name is known yet: they are registered once the chain answers"


async def ls(run: RunDir, as_json: bool) -> None:
    """Every name that is known, and what it is worth; also while the registrar is away."""
    status = await _status(run)
    names = sorted(status.names, key=lambda view: (view.state == "foreign", view.name, view.peer))
    if as_json:
        print_json([_row(view) for view in names])
        return
    _print_names(names, {seat.peer: seat.name for seat in status.plan.participants})
    if status.chain is not None:
        print_line(_chain_line(status.chain))


def rpc_url(run: RunDir, as_json: bool) -> None:
    """The URL at which any client of Ethereum finds these names."""
    plan = Reach(run).plan()
    if plan.chain == OFF:
        raise BadInput("this mesh runs without a chain", "whisper-tui up --chain local")
    if plan.chain in NETWORKS:
        raise BadInput(
            f"the node of {plan.chain} is the one that {URL_VARIABLE} names where the mesh was started"
        )
    url = chain_url(plan.chain, plan.chain_port)
    if as_json:
        print_json({"url": url})
    else:
        print_line(url)


async def show(run: RunDir, name: str, as_json: bool) -> None:
    """One name in full, read now."""
    _print_one(await _asked(run, "verify", NameView, name=name), as_json)


async def verify(run: RunDir, name: str, as_json: bool) -> None:
    """Whether a name and its peer are bound, asked of the chain now; ActionError when they are not."""
    view = await _asked(run, "verify", NameView, name=name)
    if as_json:
        print_json(_row(view))
    if not view.verified:
        raise ActionError(f"{spelled(view.name)} {binding(view)}")
    if not as_json:
        print_line(f"{spelled(view.name)} is bound to {view.peer}: {inert(view.why)}")


async def register(run: RunDir, as_json: bool) -> None:
    """Write what is missing of this machine's names, now."""
    everything = await _asked(run, "register", Directory)
    if as_json:
        print_json([_row(view) for view in everything.names])
        return
    _print_names(everything.names, {seat.peer: seat.name for seat in Reach(run).plan().participants})


async def set_record(run: RunDir, name: str, key: str, text: str, as_json: bool) -> None:
    """Write a text record."""
    _print_one(await _asked(run, "set", NameView, name=name, key=key, text=text), as_json)


async def mint(run: RunDir, name: str, owner: str, as_json: bool) -> None:
    """Register a name below the parent, or below one of this machine."""
    _print_one(await _asked(run, "mint", NameView, name=name, owner=owner), as_json)


async def transfer(run: RunDir, name: str, to: str, as_json: bool) -> None:
    """Give a name away."""
    _print_one(await _asked(run, "transfer", NameView, name=name, to=to), as_json)


async def _status(run: RunDir) -> Status:
    reach = Reach(run)
    await until_started(reach)
    status = await reach.status()
    if status.plan.chain == OFF:
        raise BadInput("this mesh runs without a chain", "end it, and: whisper-tui up --chain local")
    return status


async def _asked(run: RunDir, command: str, kind: type[T], **args: object) -> T:
    """The registrar's answer. Raises ActionError when it refuses, MeshUnreachable when it is not there."""
    status = await _status(run)
    registrar = next((view for view in status.processes if view.part == "registrar"), None)
    if registrar is None or registrar.state != "running":
        told = f" ({inert(registrar.note)})" if registrar is not None and registrar.note else ""
        raise MeshUnreachable(f"the registrar of names does not run{told}", "see logs/registrar.log")
    try:
        answer = await ControlClient(registrar.note, run.token(), ANSWER_S).command(command, **args)
        return msgspec.convert(answer, kind)
    except ControlError as error:
        raise ActionError(str(error)) from error
    except (ControlUnavailable, msgspec.ValidationError, ValueError) as error:
        raise MeshUnreachable(f"the registrar of names cannot be asked: {error}") from error


def _row(view: NameView) -> dict[str, object]:
    """A name for programs: `name`, `records`, `verified`, `why` and what else is known."""
    return dict(msgspec.to_builtins(view))


def _print_names(names: Sequence[NameView], participants: Mapping[str, str]) -> None:
    print_table(
        ["NAME", "NODE", "BINDING", "NETWORK", "ACCOUNT", "AGE", "RECORDS"],
        [
            [
                spelled(view.name),
                participants.get(view.peer, view.peer[:12] or NOTHING),
                binding(view),
                view.network,
                view.account or NOTHING,
                seconds(max(0.0, time.time() * 1000 - view.checked_ms)),
                records_on_a_line(view) or NOTHING,
            ]
            for view in names
        ],
        NONE,
    )


def _chain_line(chain: ChainView) -> str:
    place = f"{inert(chain.network)} chain {chain.chain_id} at {inert(chain.node)}, block {chain.block}"
    return f"{place}: {inert(chain.problem)}" if chain.problem else place


def _print_one(view: NameView, as_json: bool) -> None:
    if as_json:
        print_json(_row(view))
        return
    fields = [
        ("name", spelled(view.name)),
        ("state", view.state),
        ("binding", binding(view)),
        ("peer", inert(view.peer) or NOTHING),
        ("account", inert(view.account) or NOTHING),
        ("resolver", inert(view.resolver) or NOTHING),
        ("network", f"{inert(view.network)}, block {view.block}"),
        *((inert(key, 40), inert(text, RECORD_CHARS_MAX)) for key, text in view.records.items()),
    ]
    for field, text in fields:
        print_text(f"{field:<14} {text}")
