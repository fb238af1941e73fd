"""run.json: what a mesh on this machine consists of, and the ports its participants use."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct, field

from axl.endpoint import Endpoint
from mesh_core.api.backends import BackendSettings
from mesh_core.api.schema import Role
from mesh_core.config import LOCAL_NETWORK, limit
from whisper_tui import ownership
from whisper_tui.errors import BadInput
from whisper_tui.supervisor.chain_choice import LOCAL, OFF
from whisper_tui.supervisor.rundir import BEING_WRITTEN

OPERATOR = "operator"
COUNT_MAX = 64
DEFAULT_PORT_BASE = 9001
MODEL_PORT_OFFSET = -115
CHAIN_PORT_OFFSET = -116
LOWEST_PORT_OFFSET = -116
CONTROL_PORT_OFFSET = -114
LISTEN_PORT_OFFSET = 100
DEFAULT_PARENT = "axl.eth"

Port: TypeAlias = Annotated[int, Meta(ge=0, le=65535)]
_NAME = re.compile(f"node[1-9][0-9]{{0,3}}|{OPERATOR}")


class Seat(Struct, frozen=True):
    """One participant: its name, role, peer id (hex) and ports on 127.0.0.1."""

    name: str
    role: Role
    peer: str
    axl_port: Port
    listen_port: Port
    control_port: Port

    @property
    def listener(self) -> Endpoint:
        """Where its AXL node listens."""
        return Endpoint("127.0.0.1", self.listen_port)


class Plan(Struct, frozen=True):
    """Content of run.json.

    `exec_delay` is in seconds, `created` in seconds since 1970; `corpus` is a folder, empty for the built-in
    texts; `axl_node` is a program, empty for the built-in node; `light` means that no model is started;
    `record` that what happens is kept in `recordings/`; `chain` is the one that names are on: `local`, `anvil`, `off`, or
    the URL of a node elsewhere; `ens_parent` is the name below which providers have theirs;
    `electors` elect the first checkpoint of the ledger, of which the newest `retained_records` are never dropped;
    `auto_ports` that `port_base` was chosen because its ports were free; `credit` maps peer ids of guests to micro-AXL.
    """

    network: str = LOCAL_NETWORK
    fast: bool = False
    count: int = 6
    exec_delay: float = 0.0
    corpus: str = ""
    axl_node: str = ""
    light: bool = False
    record: bool = True
    chain: str = LOCAL
    ens_parent: str = DEFAULT_PARENT
    port_base: int = DEFAULT_PORT_BASE
    auto_ports: bool = False
    created: float = 0.0
    shards_total: int = 0
    corpus_index: str = ""
    backend: BackendSettings = field(default_factory=BackendSettings)
    electors: list[str] = field(default_factory=list)
    retained_records: int = limit("retained_records")
    participants: list[Seat] = field(default_factory=list)
    credit: dict[str, int] = field(default_factory=dict)

    def seat(self, name: str) -> Seat:
        """The participant called `name`; KeyError when there is none."""
        for seat in self.participants:
            if seat.name == name:
                return seat
        raise KeyError(name)

    def ens_name(self, seat: Seat) -> str:
        """The name that a participant claims, empty for one that has none: operators, and all without a chain."""
        return f"{seat.name}.{self.ens_parent}" if seat.role == "provider" and self.chain != OFF else ""

    @property
    def chain_port(self) -> int:
        """That of a chain that is started here."""
        return self.port_base + CHAIN_PORT_OFFSET

    @property
    def operator(self) -> Seat:
        """The operator's own participant."""
        return self.seat(OPERATOR)


def ports_of(base: int, index: int, count: int) -> tuple[int, int, int]:
    """(AXL bridge, AXL listener, control API) of provider `index` (from 1), 0 for the operator.

    `base` is the first listener; with 9001 the bridges are 9002…, the control APIs 8888… and the operator's
    bridge comes after the last of `count` providers.
    """
    bridge = base + (index or count + 1)
    listener = base if index == 1 else base + LISTEN_PORT_OFFSET + index
    return bridge, listener, base + CONTROL_PORT_OFFSET + index


def next_ports(plan: Plan, index: int) -> tuple[int, int, int]:
    """Ports for a provider that joins later: its bridge comes after all others, the operator's included."""
    _, listener, control = ports_of(plan.port_base, index, plan.count)
    return max(seat.axl_port for seat in plan.participants) + 1, listener, control


def load(path: Path) -> Plan | None:
    """The plan in `path`, None when there is none; BadInput when it cannot be understood, or is not the user's own: it
    says which programs are started."""
    content = b""
    try:
        content = ownership.read(path)
        plan = msgspec.json.decode(content, type=Plan)
        _check(plan)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(
            f"{path} cannot be used: {_problem(error, content)}",
            "move it away and run `whisper-tui up`: keys and stores are kept, a new one is made",
        ) from error
    return plan


def _problem(error: Exception, content: bytes) -> str:
    if isinstance(error, OSError | msgspec.ValidationError):
        return str(error)
    return f"it is damaged ({error})" if content.strip() else "it is empty"


def _check(plan: Plan) -> None:
    """What types cannot say. Raises msgspec.ValidationError."""
    names = [seat.name for seat in plan.participants]
    strange = [name for name in names if not _NAME.fullmatch(name)]
    if strange or len(set(names)) < len(names):
        raise msgspec.ValidationError(f"participants: {(strange or names)[0]!r} is no name, or there twice")
    if OPERATOR not in names:
        raise msgspec.ValidationError("participants: the operator is missing")


def save(path: Path, plan: Plan) -> None:
    """Write the plan so that a crash leaves the old or the new one."""
    replace(path, msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n", durable=True)


def replace(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a small file in one step, private to its owner; `durable` survives a loss of power too."""
    beside = path.with_name(path.name + BEING_WRITTEN)
    beside.unlink(missing_ok=True)  # left by a crash, or laid there to be written through
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    beside.replace(path)
