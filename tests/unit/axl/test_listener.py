"""Listening sockets."""

from __future__ import annotations

import socket

import pytest

from axl.endpoint import Endpoint
from axl.listener import ListenError, bind, bound_to


def test_a_free_port_is_chosen_and_told() -> None:
    with bind(Endpoint("127.0.0.1", 0), "it") as listening:
        assert bound_to(listening).host == "127.0.0.1"
        assert bound_to(listening).port > 0


def test_sockets_say_that_they_are_tcp_or_asyncio_would_leave_nagles_algorithm_on() -> None:
    with bind(Endpoint("127.0.0.1", 0), "it") as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_a_port_in_use_is_named_with_what_to_change() -> None:
    with bind(Endpoint("127.0.0.1", 0), "it") as listening:
        taken = bound_to(listening)
        with pytest.raises(ListenError) as caught:
            bind(taken, "my_setting")
    assert str(caught.value) == (
        f"cannot listen on {taken.authority}: Address already in use; change my_setting or stop what uses it"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_a_host_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(ListenError, match=f"cannot listen on {host}:0: "):
        bind(Endpoint(host, 0), "it")
