"""HTTP/1.1 from bytes and back; the narrow reader held against h11."""

from __future__ import annotations

from contextlib import suppress

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axl.http1 import RequestReader, ResponseReader, response_bytes
from axl.http1_full import FullReader
from axl.http_message import HEAD_BYTES_MAX, HttpError, Request, Response

BODY_MAX = 1000
SEND = (
    b"POST /send HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Destination-Peer-Id: ab\r\nContent-Length: 5\r\n\r\nhello"
)


def read_request(data: bytes) -> Request | None:
    reader = RequestReader(BODY_MAX)
    reader.receive(data)
    return reader.next_request()


def read_response(data: bytes) -> Response | None:
    reader = ResponseReader(BODY_MAX)
    reader.receive(data)
    return reader.next_response()


def test_a_plain_request_is_read_without_h11() -> None:
    reader = RequestReader(BODY_MAX)
    reader.receive(SEND)
    request = reader.next_request()
    assert request is not None
    assert (request.method, request.path, request.query) == (b"POST", b"/send", b"")
    assert request.headers[b"x-destination-peer-id"] == b"ab"
    assert request.body == b"hello"
    assert reader.held_bytes == 0


@given(st.lists(st.sampled_from([SEND, b"GET /recv?wait=1&max=2 HTTP/1.1\r\nHost: x\r\n\r\n"])), st.data())
def test_requests_come_out_as_they_went_in_however_the_stream_is_cut(
    sent: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(sent)
    reader = RequestReader(BODY_MAX)
    received = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        reader.receive(stream[:size])
        stream = stream[size:]
        while (request := reader.next_request()) is not None:
            received.append(request)
    assert received == [read_request(one) for one in sent]


@pytest.mark.parametrize(
    "unusual",
    [
        b"POST /send HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"POST /send HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /send HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /send HTTP/1.1\r\nHost: a\r\nX: 1\r\nX: 2\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /send HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello",
        b"PUT /send HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
def test_what_is_unusual_is_read_all_the_same_and_leaves_the_next_request_alone(unusual: bytes) -> None:
    reader = RequestReader(BODY_MAX)
    reader.receive(unusual + SEND)
    first, second = reader.next_request(), reader.next_request()
    assert first is not None
    assert first.body == b"hello"
    assert not reader.is_last
    assert second == read_request(SEND)


def test_line_ends_without_carriage_return_do_not_keep_a_request_waiting() -> None:
    assert read_request(b"GET /recv HTTP/1.1\nHost: a\n\n") is not None


def test_a_request_that_ends_its_connection_says_so() -> None:
    reader = RequestReader(BODY_MAX)
    reader.receive(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert reader.next_request() is not None
    assert reader.is_last
    old = RequestReader(BODY_MAX)
    old.receive(b"GET / HTTP/1.0\r\n\r\n")
    assert old.next_request() is not None
    assert old.is_last


def test_a_body_held_back_until_asked_for_is_asked_for_once() -> None:
    reader = RequestReader(BODY_MAX)
    reader.receive(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert reader.next_request() is None
    assert reader.interim().startswith(b"HTTP/1.1 100 ")
    assert reader.interim() == b""
    reader.receive(b"ok")
    request = reader.next_request()
    assert request is not None
    assert request.body == b"ok"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + bytes(1001), 413),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: " + b"a" * 20_000, 431),
    ],
    ids=range(13),
)
def test_what_is_no_http_or_too_much_of_it_is_refused_with_a_status(data: bytes, status: int) -> None:
    with pytest.raises(HttpError) as caught:
        read_request(data)
    assert caught.value.status == status


def test_a_large_body_is_looked_at_once_and_held_once() -> None:
    reader = RequestReader(10_000_000)
    reader.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n")
    for _ in range(500):
        assert reader.next_request() is None
        reader.receive(bytes(10_000))
    request = reader.next_request()
    assert request is not None
    assert len(request.body) == 5_000_000
    assert reader.held_bytes == 0


# Requests that are nearly right, so that both readers get far into them.
_names = st.sampled_from(
    [
        b"Host",
        b"host",
        b"Content-Length",
        b"X-A",
        b"X-a",
        b"Connection",
        b"Transfer-Encoding",
        b"Expect",
        b"X B",
    ]
)
_values = st.sampled_from(
    [b"a", b"5", b"05", b"+5", b"5 5", b"", b" a ", b"\ta", b"chunked", b"close", b"\x00", b"\xff"]
)
_lines = st.tuples(_names, st.sampled_from([b":", b": ", b" :", b":\t"]), _values).map(b"".join)
_first_lines = st.sampled_from(
    [
        b"GET /a?b HTTP/1.1",
        b"POST /a HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.0",
        b"get / HTTP/1.1",
        b"GET / HTTP/2",
    ]
)
_heads = st.tuples(_first_lines, st.lists(_lines, max_size=5), st.sampled_from([b"\r\n", b"\n"])).map(
    lambda parts: parts[2].join([parts[0], *parts[1], b"", b""])
)


def h11_reads(data: bytes) -> tuple[bytes, bytes, dict[bytes, bytes], bytes] | None:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    request, body = None, b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert request is not None
            return bytes(request.method), bytes(request.target), dict(request.headers), body
        else:
            return None


@settings(max_examples=500)
@given(_heads | st.binary(max_size=60), st.binary(max_size=12))
def test_what_the_narrow_reader_accepts_h11_reads_alike(head: bytes, rest: bytes) -> None:
    reader = _NarrowOnly(BODY_MAX)
    reader.receive(head + rest)
    try:
        request = reader.next_request()
    except (HttpError, _LeftAlone):
        return
    if request is None:
        return
    target = request.path + (b"?" + request.query if request.query else b"")
    assert h11_reads(head + rest) == (request.method, target, request.headers, request.body)


class _LeftAlone(Exception):
    """The narrow reader would have called h11."""


class _NarrowOnly(RequestReader):
    def _new_full_reader(self) -> FullReader:
        raise _LeftAlone


@settings(max_examples=300)
@given(_heads | st.binary(max_size=80))
def test_no_bytes_do_worse_than_to_be_refused(data: bytes) -> None:
    for read in (read_request, read_response):
        with suppress(HttpError):
            read(data)


@given(st.sampled_from([200, 204, 400, 404, 502, 503]), st.binary(max_size=100), st.booleans())
def test_a_response_is_read_as_it_was_written(status: int, body: bytes, is_last: bool) -> None:
    body = b"" if status == 204 else body
    reader = ResponseReader(BODY_MAX)
    reader.receive(response_bytes(status, b"X-A: b\r\n", body, is_last=is_last))
    response = reader.next_response()
    assert response is not None
    assert (response.status, response.headers[b"x-a"], response.body) == (status, b"b", body)
    assert reader.is_last == is_last


def test_a_chunked_response_as_the_go_node_sends_for_long_bodies_is_read() -> None:
    response = read_response(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nX-From-Peer-Id: 00ff\r\n"
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )
    assert response is not None
    assert (response.status, response.body) == (200, b"abc")


def test_a_response_behind_an_interim_one_is_read_though_both_come_at_once() -> None:
    response = read_response(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert response is not None
    assert (response.status, response.body) == (200, b"ok")


@pytest.mark.parametrize("size", [HEAD_BYTES_MAX - 1000, HEAD_BYTES_MAX, 2 * HEAD_BYTES_MAX])
def test_how_much_may_stand_between_two_chunks_does_not_depend_on_how_it_comes(size: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    stream = head + b"1;" + b"x" * size + b"\r\na\r\n0\r\n\r\n" + SEND
    found = []
    for length in (len(stream), 16 * 1024, 1000, 7):
        reader = RequestReader(BODY_MAX)
        bodies = []
        with suppress(HttpError):
            for at in range(0, len(stream), length):
                reader.receive(stream[at : at + length])
                while (request := reader.next_request()) is not None:
                    bodies.append(request.body)
        found.append(bodies)
    assert found == [[b"a", b"hello"] if size < HEAD_BYTES_MAX - 2 else []] * 4
