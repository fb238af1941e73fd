"""Are the ports a mesh wants free, and where are some that are?"""

from __future__ import annotations

import contextlib
import errno
import itertools
import random
import socket
from collections.abc import Iterable, Iterator

from whisper_tui.errors import BadInput, UserError
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor.chain_choice import STARTED_HERE
from whisper_tui.supervisor.plan import (
    CHAIN_PORT_OFFSET,
    LISTEN_PORT_OFFSET,
    LOWEST_PORT_OFFSET,
    MODEL_PORT_OFFSET,
    Plan,
    Seat,
    ports_of,
)
from whisper_tui.supervisor.rundir import find

AUTO_RANGE = (20_000, 32_000)
"""Below the range from which systems take the ports of outgoing connections, which come and go."""

AUTO_TRIES = 200


def wanted(plan: Plan) -> Iterator[tuple[int, str]]:
    """(port, what for) of everything that will listen."""
    for seat in plan.participants:
        yield from wanted_by(seat)
    if not plan.light:
        yield plan.port_base + MODEL_PORT_OFFSET, "model server"
    if plan.chain in STARTED_HERE:
        yield plan.chain_port, "chain"


def wanted_by(seat: Seat) -> Iterator[tuple[int, str]]:
    """The same for one participant."""
    yield seat.axl_port, f"AXL bridge of {seat.name}"
    yield seat.listen_port, f"AXL listener of {seat.name}"
    yield seat.control_port, f"control API of {seat.name}"


def taken(ports: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """Those of `ports` that another program listens on."""
    return [(port, purpose) for port, purpose in ports if not is_free(port)]


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def check(ports: Iterable[tuple[int, str]]) -> None:
    """Raise BadInput that names the first port in use, who wanted it, and what to do."""
    busy = taken(ports)
    if not busy:
        return
    port, purpose = busy[0]
    more = f" (and {len(busy) - 1} more)" if len(busy) > 1 else ""
    raise BadInput(
        f"port {port}, wanted for the {purpose}, is in use by {_user_of(port)}{more}",
        "choose free ports with --port-base auto",
    )


def _user_of(port: int) -> str:
    """Who listens there, as far as it can be told: the mesh that commands here are about if nothing else is said."""
    with contextlib.suppress(UserError):
        run = find(None)
        plan = plans.load(run.plan)
        if plan is not None and run.running() is not None and port in dict(wanted(plan)):
            return f"the mesh in {run.root}"
    return "another program"


def free_ports(count: int) -> list[int]:
    """Some ports that are free now, not in a row."""
    drawn = random.sample(range(*AUTO_RANGE), AUTO_TRIES)
    free = list(itertools.islice(filter(is_free, drawn), count))
    if len(free) < count:
        raise BadInput(
            "no free ports found", f"end some of what listens on {AUTO_RANGE[0]} to {AUTO_RANGE[1]}"
        )
    return free


def free_base(count: int) -> int:
    """A random base all of whose ports are free; random, so that meshes started at once rarely meet."""
    for _ in range(AUTO_TRIES):
        base = random.randint(*AUTO_RANGE)  # noqa: S311 - nothing secret in a port
        if all(is_free(port) for port in _all_ports(base, count)):
            return base
    raise BadInput("no free block of ports found", "name one with --port-base N")


def _all_ports(base: int, count: int) -> set[int]:
    used = {port for index in range(count + 1) for port in ports_of(base, index, count)}
    return used | {base + MODEL_PORT_OFFSET, base + CHAIN_PORT_OFFSET}


def check_base(base: int) -> None:
    """Raise BadInput for a base whose ports would not be port numbers of ordinary programs."""
    lowest, highest = 1024 - LOWEST_PORT_OFFSET, 65_535 - 2 * LISTEN_PORT_OFFSET
    if not lowest <= base <= highest:
        raise BadInput(
            f"--port-base {base}: expected auto or {lowest}…{highest}",
            f"the lowest port of a mesh is {-LOWEST_PORT_OFFSET} below it",
        )
