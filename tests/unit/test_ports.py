"""The ports that tests take."""

from __future__ import annotations

import socket
import subprocess
import sys

from tests import ports

TAKE = "from tests.ports import free_ports; print(*free_ports(300), flush=True); input()"


def test_two_suites_at_once_are_never_given_the_same_port() -> None:
    mine = set(ports.free_ports(300))
    with subprocess.Popen(
        [sys.executable, "-c", TAKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdin is not None
        theirs = set(map(int, other.stdout.readline().split()))
        other.stdin.write(b"\n")
    assert mine and theirs and not mine & theirs


def test_a_port_that_is_taken_is_left_out() -> None:
    (first,) = ports.free_ports(1)
    with socket.create_server(("127.0.0.1", first)):
        assert first not in ports.free_ports(2 * ports.BLOCK)
