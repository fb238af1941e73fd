"""tls://host:port."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axl.endpoint import Endpoint, EndpointError, parse_endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        Endpoint("127.0.0.1", 9001),
        Endpoint("boot.example-1.org", 65535),
        Endpoint("2001:db8::1", 1),
        Endpoint("::1", 9001, bytes(range(32))),
    ],
)
def test_an_endpoint_is_read_as_it_is_written(endpoint: Endpoint) -> None:
    assert parse_endpoint(str(endpoint)) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:9001",
        "tcp://127.0.0.1:9001",
        "tls://127.0.0.1",
        "tls://:9001",
        "tls://127.0.0.1:",
        "tls://127.0.0.1:65536",
        "tls://127.0.0.1:9001/",
        "tls://127.0.0.1:9001\n",
        "tls://::1:9001",
        "tls://[::zz]:9001",
        "tls://[1.2.3.4.5]:9001",
        "tls://a b:9001",
        "tls://x@127.0.0.1:9001",
        "tls://127.0.0.1:9001?key=ab",
        "tls://127.0.0.1:9001?key=" + "ab" * 33,
    ],
)
def test_anything_else_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(EndpointError) as caught:
        parse_endpoint(text)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_no_text_does_worse_than_to_be_refused(text: str) -> None:
    with suppress(EndpointError):
        parse_endpoint("tls://" + text)


def test_loopback_and_wildcards_are_known_by_their_numbers_only() -> None:
    assert Endpoint("127.3.2.1", 1).is_loopback
    assert Endpoint("::1", 1).is_loopback
    assert not Endpoint("localhost", 1).is_loopback
    assert not Endpoint("192.168.1.1", 1).is_loopback
    assert Endpoint("0.0.0.0", 1).is_wildcard
    assert Endpoint("::", 1).is_wildcard
    assert Endpoint("10.0.0.1", 1).is_numeric
    assert not Endpoint("ten.example", 1).is_numeric
