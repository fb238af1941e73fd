"""Before anything is started: keys, token, ports and the participants' files, from what is wished for.

What is there already stays: the same directory always has the same keys and stores.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from axl.keys import KeyFileError, PrivateKey, load, make
from mesh_core.api.schema import Role
from mesh_core.config import MICRO_PER_AXL, limit
from mesh_core.history import goes_on_from_checkpoint
from mesh_core.quorum.committee import bearable, quorum_of
from whisper_tui.errors import BadInput
from whisper_tui.model.numbers import counted
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor import ports
from whisper_tui.supervisor.chain_choice import chain_shown
from whisper_tui.supervisor.plan import (
    COUNT_MAX,
    OPERATOR,
    Plan,
    Seat,
    next_ports,
    ports_of,
)
from whisper_tui.supervisor.rundir import ParticipantDir, RunDir
from whisper_tui.supervisor.settings_files import listeners_for, write_node_config, write_settings

SUBMITTERS = tuple(f"submitter{number}" for number in range(1, 5))
"""Keys for `submit --axl`; one for each that runs at the same time, since a key is one participant."""

CREDIT_MICRO = 10_000_000_000
"""Credit limit of the operator and the submitters of a local mesh: 10,000 AXL."""

EXEC_DELAY_MAX_S = 3600.0

BUILT_IN = "builtin"
"""Typed in place of a folder or program: the one that Whisper brings along."""


class Wishes(msgspec.Struct, frozen=True):
    """What was asked for; None where nothing was said."""

    count: int | None = None
    fast: bool | None = None
    exec_delay: float | None = None
    corpus: str | None = None
    axl_node: str | None = None
    port_base: int | None = None
    auto_ports: bool | None = None
    light: bool | None = None
    record: bool | None = None
    chain: str | None = None
    ens_parent: str | None = None
    credit: dict[str, int] | None = None
    retained_records: int | None = None

    def said(self) -> dict[str, Any]:
        """Field and value of everything that was asked for, as fields of a plan."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}


def read_place(word: str | None, option: str) -> str | None:
    """The absolute path of what was named with `option`, empty for what is built in, None where nothing was named."""
    if word is None:
        return None
    if not word:
        raise BadInput(f"{option}: is empty", f"name a path, or {BUILT_IN} for what Whisper brings along")
    return "" if word == BUILT_IN else str(Path(word).expanduser().absolute())


def read_credit(words: Sequence[str]) -> dict[str, int]:
    """Micro-AXL by peer id, as granted by `--credit PEER=AXL`; BadInput for what is none."""
    granted: dict[str, int] = {}
    for word in words:
        peer, _, axl = word.partition("=")
        if not re.fullmatch("[0-9a-f]{64}", peer) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", axl):
            raise BadInput(
                f"--credit {word}: expected a peer id of 64 hex digits, = and an amount of AXL",
                "whisper-tui keys --make FILE makes a key and tells its peer id",
            )
        granted[peer] = round(float(axl) * MICRO_PER_AXL)
    return granted


def differences(plan: Plan, wishes: Wishes) -> list[str]:
    """`field value` of every setting but the corpus in which a running mesh differs from what is asked for."""
    told = {"chain": f"chain {chain_shown(plan.chain)}"}
    return [
        told.get(name) or f"{name.replace('_', '-')} {_shown(getattr(plan, name))}"
        for name, value in wishes.said().items()
        if name not in ("corpus", "credit") and getattr(plan, name) != value
    ] + [
        f"credit {peer[:12]}={plan.credit.get(peer, 0) / MICRO_PER_AXL:g}"
        for peer, micro in (wishes.credit or {}).items()
        if plan.credit.get(peer, 0) != micro
    ]


def kept_from_before(plan: Plan, wishes: Wishes) -> str:
    """One line about settings that are neither asked for nor the plain ones, empty when there are none."""
    plain, told, asked = Plan(), settings_of(plan), wishes.said()
    back = {
        "exec_delay": f"--exec-delay {plain.exec_delay:g}",
        "fast": "--no-fast",
        "count": f"--count {plain.count}",
        "light": "--no-light",
        "record": "--record",
        "chain": f"--chain {plain.chain}",
        "corpus": f"--corpus {BUILT_IN}",
        "axl_node": f"--axl-node {BUILT_IN}",
    }
    kept = [name for name in back if name not in asked and getattr(plan, name) != getattr(plain, name)]
    if not kept:
        return ""
    settings, flags = ", ".join(told[name] for name in kept), " ".join(back[name] for name in kept)
    return f"kept from before: {settings}; change with {flags}"


def settings_of(plan: Plan) -> dict[str, str]:
    """In words, by field: what a run directory keeps of what was asked for, for the next `up`."""
    return {
        "count": counted(plan.count, "provider"),
        "fast": "FAST timers" if plan.fast else "default timers",
        "exec_delay": f"answers held {plan.exec_delay:g} s",
        "light": "light" if plan.light else "with a model",
        "record": "recorded" if plan.record else "not recorded",
        "chain": f"chain {chain_shown(plan.chain)}",
        "corpus": f"corpus {_shown(plan.corpus)}",
        "axl_node": f"AXL node {_shown(plan.axl_node)}",
    }


def _shown(value: object) -> str:
    return str(value) or "built in" if not isinstance(value, bool) else ("on" if value else "off")


def make_plan(stored: Plan | None, wishes: Wishes) -> Plan:
    """The plan to run: what is wished for, else what the directory was run with, else the defaults.

    Ports are chosen, keys are not made yet, so `peer` is empty where a participant is new.
    """
    said = wishes.said()
    if "port_base" in said:
        said["auto_ports"] = False
    if "credit" in said and stored is not None:
        said["credit"] = {**stored.credit, **said["credit"]}
    plan = msgspec.structs.replace(stored or Plan(created=time.time()), **said)
    if stored is None or "count" in said:
        plan = msgspec.structs.replace(plan, shards_total=plan.count)
    _check(plan)
    plan = msgspec.structs.replace(plan, participants=seats_of(plan))
    if not plan.auto_ports:
        ports.check(ports.wanted(plan))
    elif stored is None or "auto_ports" in said or ports.taken(ports.wanted(plan)):
        plan = msgspec.structs.replace(plan, port_base=ports.free_base(plan.count))
        plan = msgspec.structs.replace(plan, participants=seats_of(plan))
    return plan


def _check(plan: Plan) -> None:
    if not 1 <= plan.count <= COUNT_MAX:
        raise BadInput(f"--count {plan.count}: expected 1…{COUNT_MAX}")
    if not 0 <= plan.exec_delay <= EXEC_DELAY_MAX_S:
        raise BadInput(f"--exec-delay {plan.exec_delay:g}: expected 0…{EXEC_DELAY_MAX_S:g} seconds")
    if not plan.auto_ports:
        ports.check_base(plan.port_base)
    check_paths(plan.corpus, plan.axl_node)


def check_paths(corpus: str | None, axl_node: str | None) -> None:
    """BadInput when a folder or program that was named is not there."""
    if corpus and not Path(corpus).is_dir():
        raise BadInput(f"--corpus {corpus}: no such folder", f"the built-in texts: --corpus {BUILT_IN}")
    if axl_node and not Path(axl_node).is_file():
        raise BadInput(f"--axl-node {axl_node}: no such program", f"the built-in node: --axl-node {BUILT_IN}")


def check_kept(run: RunDir, plan: Plan, wishes: Wishes) -> None:
    """BadInput when a folder or program that `run` has kept from before is gone, and no other is asked for."""
    other = "put it back, or go on with another: whisper-tui up"
    if wishes.corpus is None and plan.corpus and not Path(plan.corpus).is_dir():
        raise BadInput(
            f"the mesh in {run.root} answers from the folder {plan.corpus}, which is not there any more",
            f"{other} --corpus DIR, or --corpus {BUILT_IN}",
        )
    if wishes.axl_node is None and plan.axl_node and not Path(plan.axl_node).is_file():
        raise BadInput(
            f"the mesh in {run.root} runs on the AXL node {plan.axl_node}, which is not there any more",
            f"{other} --axl-node FILE, or --axl-node {BUILT_IN}",
        )


def seats_of(plan: Plan) -> list[Seat]:
    """The participants of a plan: its providers and the operator, at the ports its base gives them."""
    known = {seat.name: seat.peer for seat in plan.participants}
    names: list[tuple[str, Role, int]] = [
        (f"node{index}", "provider", index) for index in range(1, plan.count + 1)
    ]
    names.append((OPERATOR, "operator", 0))
    return [
        Seat(name, role, known.get(name, ""), *ports_of(plan.port_base, index, plan.count))
        for name, role, index in names
    ]


def prepare(run: RunDir, plan: Plan) -> Plan:
    """Make what is missing in the run directory and write run.json; returns the plan with all peer ids."""
    run.ensure_token()
    seats = [msgspec.structs.replace(seat, peer=_peer(run, seat.name)) for seat in plan.participants]
    plan = msgspec.structs.replace(plan, participants=seats)
    check_keys(run, plan)
    plan = msgspec.structs.replace(plan, electors=_electors(run, plan))
    credit = _credit(run, plan)
    for seat in seats:
        _write_files(run, plan, seat, credit)
    plans.save(run.plan, plan)
    return plan


def new_provider(run: RunDir, plan: Plan) -> tuple[Plan, Seat]:
    """Prepare one more provider; returns the plan that includes it, saved, and its seat."""
    index = plan.count + 1
    if index > COUNT_MAX:
        raise BadInput(f"a mesh on one machine has at most {COUNT_MAX} providers")
    name = f"node{index}"
    chosen = ports.free_ports(3) if plan.auto_ports else next_ports(plan, index)
    seat = Seat(name, "provider", _peer(run, name), *chosen)
    ports.check(ports.wanted_by(seat))
    plan = msgspec.structs.replace(plan, count=index, participants=[*plan.participants, seat])
    check_keys(run, plan)
    _write_files(run, plan, seat, _credit(run, plan))
    plans.save(run.plan, plan)
    return plan, seat


def _write_files(run: RunDir, plan: Plan, seat: Seat, credit: Mapping[str, int]) -> None:
    files = run.participant(seat.name)
    write_node_config(files, seat, listeners_for(plan, seat))
    write_settings(files, plan, seat, run.token_file, credit)


def _credit(run: RunDir, plan: Plan) -> dict[str, int]:
    submitters = [key_of(run.submitter(name)).peer.hex() for name in SUBMITTERS]
    return {**plan.credit, **dict.fromkeys([plan.operator.peer, *submitters], CREDIT_MICRO)}


def _electors(run: RunDir, plan: Plan) -> list[str]:
    """Who elects the first checkpoint: the providers of the first start. Others take their place only as long as there is
    no checkpoint, when too few of them are left: afterwards electors choose who follows them."""
    providers = [seat.peer for seat in plan.participants if seat.role == "provider"]
    there, first = len(set(plan.electors).intersection(providers)), len(plan.electors)
    enough = first > 0 and there >= quorum_of(first, bearable(first))
    if enough or any(map(goes_on_from_checkpoint, run.root.glob("*/store.db"))):
        return plan.electors
    return providers[: limit("committee_max")]


def check_keys(run: RunDir, plan: Plan) -> None:
    """BadInput when two participants have the same key: each would contradict what the other signs."""
    owners: dict[str, ParticipantDir] = {}
    files = [run.participant(seat.name) for seat in plan.participants]
    for one in [*files, *map(run.submitter, SUBMITTERS)]:
        other = owners.setdefault(key_of(one).peer.hex(), one)
        if other is not one:
            raise BadInput(
                f"{other.root.name} and {one.root.name} have the same key: {other.key} and {one.key}",
                "a participant is its key: move the copy away, a new one is made",
            )


def _peer(run: RunDir, name: str) -> str:
    return key_of(run.participant(name)).peer.hex()


def key_of(files: ParticipantDir) -> PrivateKey:
    """The key of a participant of this run directory, made when missing; BadInput for one that cannot be used, or that
    is somebody else's too."""
    files.check()
    return ensure_key(files.key)


def ensure_key(path: Path) -> PrivateKey:
    """The key in `path`, made when missing; BadInput for one that cannot be used."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return load(path) if path.exists() else make(path)
    except KeyFileError as error:
        raise BadInput(
            str(error), "a participant is its key: put the right one back, or move it away"
        ) from error
    except OSError as error:
        raise BadInput(f"{path.parent}: {error.strerror}") from error
