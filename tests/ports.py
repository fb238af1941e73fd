"""Ports for what tests start: no two test processes are given the same one, however many suites run at once.

A port that the system chose for a socket that is closed again is anybody's: another process may be given it, or take it
for an outgoing connection, before it is used, or while what listened on it is down. So each test process takes a block
below the range that systems choose from. It holds the block's first port as long as it lives, and gives out the others.
"""

from __future__ import annotations

import errno
import functools
import itertools
import socket
from collections.abc import Iterator

RANGE = range(10_500, 19_900)
"""Above the ports of a mesh with default ports, below those it chooses itself (`whisper_tui.supervisor.ports`)."""

BLOCK = 200


def free_ports(count: int) -> list[int]:
    """Ports nobody uses now, and no other test process will."""
    return list(itertools.islice((port for port in _own_ports() if _is_free(port)), count))


@functools.cache
def _own_ports() -> Iterator[int]:
    """The ports of this process's block, over and over again."""
    for first in RANGE[::BLOCK]:
        guard = socket.socket()
        if _bind(guard, first):
            _guards.append(guard)
            return itertools.cycle(range(first + 1, first + BLOCK))
        guard.close()
    raise RuntimeError(f"all ports from {RANGE.start} to {RANGE.stop} belong to other test processes")


_guards: list[socket.socket] = []


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as servers do: what has ended may linger
        return _bind(probe, port)


def _bind(one: socket.socket, port: int) -> bool:
    try:
        one.bind(("127.0.0.1", port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    return True
