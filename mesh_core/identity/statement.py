"""Signing and checking statements: `body ‖ signature`, one domain per kind."""

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

import msgspec

from mesh_core.config import limit
from mesh_core.crypto import Crypto, Verifier
from mesh_core.wire import statements as st
from mesh_core.wire.malformed import MALFORMED
from mesh_core.wire.nesting import nests_deeper

SIGNATURE_BYTES = 64

KINDS: dict[type[Any], str] = {
    st.Alive: "alive",
    st.Accusation: "accusation",
    st.Record: "record",
    st.Bid: "bid",
    st.Promise: "promise",
    st.Proposal: "proposal",
    st.AcceptVote: "accept",
    st.SettleVote: "settle",
    st.Release: "release",
    st.Cancel: "cancel",
}

VOTES: tuple[type[st.Promise] | type[st.Proposal] | type[st.AcceptVote] | type[st.SettleVote], ...] = (
    st.Promise,
    st.Proposal,
    st.AcceptVote,
    st.SettleVote,
)
"""What is said once per job and epoch: two that differ prove that their author lies."""

_DECODERS: dict[type[Any], msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(kind) for kind in KINDS
}
_ENCODER = msgspec.msgpack.Encoder()
_DOMAINS: dict[type[Any], bytes] = {kind: b"whisper:" + name.encode() + b"\0" for kind, name in KINDS.items()}

S = TypeVar("S")


class StatementError(ValueError):
    """A statement from outside is malformed, of another network, or not signed by its author."""


def digest(data: bytes) -> bytes:
    """The 32-byte BLAKE2b hash that names records, blobs and values."""
    return hashlib.blake2b(data, digest_size=32).digest()


def encode(value: object) -> bytes:
    """Msgpack bytes of a struct."""
    return _ENCODER.encode(value)


def sign(crypto: Crypto, statement: object) -> bytes:
    """The statement's bytes with this node's signature behind them."""
    body = _ENCODER.encode(statement)
    return body + crypto.sign(_DOMAINS[type(statement)] + body)


def peek(signed: bytes, kind: type[S]) -> S:
    """Decode without checking the signature: for bytes this node has checked or made before.

    Raises StatementError when the bytes are no statement of that kind.
    """
    try:
        decoded: S = _DECODERS[kind].decode(signed[:-SIGNATURE_BYTES])
    except MALFORMED as error:
        raise StatementError(f"not a valid {KINDS[kind]}: {error}") from error
    return decoded


def check(crypto: Verifier, signed: bytes, kind: type[S], network: str) -> S:
    """Decode and verify against the author named inside.

    Raises StatementError when it is malformed, of another network, or the signature is not the author's.
    """
    statement = peek(signed, kind)
    require_shallow(signed[:-SIGNATURE_BYTES], statement)
    named: Any = statement
    if named.network != network:
        raise StatementError(f"{KINDS[kind]} of network {named.network!r}, this is {network!r}")
    if not crypto.verify(named.author, _DOMAINS[kind] + signed[:-SIGNATURE_BYTES], signed[-SIGNATURE_BYTES:]):
        raise StatementError(f"{KINDS[kind]} is not signed by its author")
    return statement


def require_shallow(packed: bytes | memoryview, decoded: object) -> None:
    """Raises StatementError when bytes that were decoded as `decoded` nest so deep that others might not read them.

    What is known of a statement is flat: only one that holds more is walked through.
    """
    if len(_ENCODER.encode(decoded)) != len(packed) and nests_deeper(packed, limit("nesting_max")):
        raise StatementError("nested too deeply")


def body_hash(signed: bytes) -> bytes:
    """The name of a signed statement: the hash of its body, without the signature."""
    return digest(signed[:-SIGNATURE_BYTES])
