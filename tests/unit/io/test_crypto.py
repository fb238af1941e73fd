"""The cryptographic door keeps the promises of its protocol on real keys."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings as sodium

from mesh_core.crypto import Crypto, SecrecyError
from mesh_core.io import crypto as module
from mesh_core.io.crypto import KeyCrypto, hkdf

ALICE = KeyCrypto(b"a" * 32)
BOB = KeyCrypto(b"b" * 32)
DOOR: Crypto = ALICE


def test_the_key_is_the_one_of_rfc_8032() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = KeyCrypto(seed)
    assert key.peer.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555")


@given(st.binary(max_size=200), st.integers(0, 63))
def test_only_the_untouched_signature_of_the_right_key_verifies(data: bytes, position: int) -> None:
    signature = ALICE.sign(data)
    assert BOB.verify(ALICE.peer, data, signature)
    assert BOB.verify(ALICE.peer, data, signature)
    altered = bytearray(signature)
    altered[position] ^= 1
    assert not BOB.verify(ALICE.peer, data, bytes(altered))
    assert not BOB.verify(BOB.peer, data, signature)
    assert not BOB.verify(ALICE.peer, data + b"x", signature)


@pytest.mark.parametrize(
    ("peer", "signature"),
    [
        (b"", b""),
        (b"\0" * 31, b"\0" * 64),
        (b"\0" * 32, b"\0" * 63),
        (b"\xff" * 32, b"\0" * 64),
        (b"\0" * 32, b"\0" * 64),
    ],
)
def test_malformed_keys_and_signatures_do_not_verify(peer: bytes, signature: bytes) -> None:
    assert not ALICE.verify(peer, b"data", signature)


def test_a_part_of_the_data_never_passes_for_a_part_of_the_signature() -> None:
    signature = ALICE.sign(b"data")
    assert BOB.verify(ALICE.peer, b"data", signature)
    assert not BOB.verify(ALICE.peer, signature[63:] + b"data", signature[:63])


def test_what_was_verified_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_VERIFIED_MAX", 4)
    checker = KeyCrypto(b"c" * 32)
    for number in range(9):
        assert checker.verify(ALICE.peer, bytes([number]), ALICE.sign(bytes([number])))
    assert len(checker._verified) == 4


@given(st.binary(max_size=3000))
def test_a_payload_opens_with_its_secret_only(data: bytes) -> None:
    secret, other = ALICE.new_secret(), ALICE.new_secret()
    sealed = ALICE.encrypt(secret, data)
    assert BOB.decrypt(secret, sealed) == data
    with pytest.raises(SecrecyError):
        BOB.decrypt(other, sealed)
    with pytest.raises(SecrecyError):
        BOB.decrypt(secret, sealed[:-1])


@pytest.mark.parametrize("garbage", [b"", b"x" * 11, b"x" * 12, b"x" * 28])
def test_garbage_is_no_payload_and_no_sealed_box(garbage: bytes) -> None:
    with pytest.raises(SecrecyError):
        ALICE.decrypt(b"s" * 16, garbage)
    with pytest.raises(SecrecyError):
        ALICE.open(garbage)


def test_key_derivation_is_rfc_5869() -> None:
    """Test cases 1 and 3 of its appendix, cut to one block."""
    secret = b"\x0b" * 22
    first = hkdf(secret, salt=bytes(range(13)), info=bytes(range(0xF0, 0xFA)))
    assert first.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
    third = hkdf(secret, salt=b"", info=b"")
    assert third.hex() == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"


def test_encrypting_twice_gives_different_bytes() -> None:
    assert ALICE.encrypt(b"s" * 16, b"data") != ALICE.encrypt(b"s" * 16, b"data")


@given(st.binary(min_size=16, max_size=16), st.integers(2, 6), st.integers(0, 4), st.randoms())
def test_any_threshold_of_shares_gives_the_secret_back(
    secret: bytes, threshold: int, extra: int, random: object
) -> None:
    shares = ALICE.split(secret, threshold, threshold + extra)
    random.shuffle(shares)
    assert BOB.combine(shares[:threshold]) == secret
    assert BOB.combine(shares) == secret


def test_one_of_one_and_one_of_many_work() -> None:
    assert BOB.combine(ALICE.split(b"s" * 16, 1, 1)) == b"s" * 16
    assert BOB.combine(ALICE.split(b"s" * 16, 1, 3)[2:]) == b"s" * 16


def test_too_few_or_wrong_shares_give_something_else() -> None:
    shares = ALICE.split(b"s" * 16, 3, 5)
    assert BOB.combine(shares[:2]) != b"s" * 16
    assert BOB.combine([*shares[:2], shares[2][:-1] + b"\0"]) != b"s" * 16
    assert BOB.combine([shares[0], shares[0], shares[1]]) != b"s" * 16
    assert BOB.combine([b"", b"short", b"x" * 40]) != b"s" * 16


@given(st.binary(max_size=500))
def test_a_sealed_box_opens_for_its_recipient_only(data: bytes) -> None:
    sealed = ALICE.seal(BOB.peer, data)
    assert BOB.open(sealed) == data
    with pytest.raises(SecrecyError):
        ALICE.open(sealed)


@pytest.mark.parametrize("peer", [b"", b"\0" * 31, b"\xff" * 32])
def test_sealing_to_something_that_is_no_key_is_refused(peer: bytes) -> None:
    with pytest.raises(SecrecyError):
        ALICE.seal(peer, b"data")


def test_a_key_that_nothing_can_be_sealed_to_signs_nothing() -> None:
    """A public key with a part of order two: by the group's arithmetic its owner can sign."""
    order = 2**252 + 27742317777372353535851937790883648493
    secret = int.from_bytes(hashlib.sha512(b"mixed").digest(), "little") % order
    two_torsion = (2**255 - 20).to_bytes(32, "little")
    public = _times_base(secret)
    mixed = sodium.crypto_core_ed25519_add(public, two_torsion)
    signature = next(_signatures(mixed, secret, order))
    sodium.crypto_sign_open(signature + b"hello", mixed)  # libsodium takes it
    assert not ALICE.verify(mixed, b"hello", signature)
    assert ALICE.verify(public, b"hello", next(_signatures(public, secret, order)))


def _times_base(scalar: int) -> bytes:
    point: bytes = sodium.crypto_scalarmult_ed25519_base_noclamp(scalar.to_bytes(32, "little"))
    return point


def _signatures(public: bytes, secret: int, order: int) -> Iterator[bytes]:
    """Those of "hello" in which the part of order two vanishes."""
    for nonce in range(1, 100):
        point = _times_base(nonce)
        challenge = int.from_bytes(hashlib.sha512(point + public + b"hello").digest(), "little") % order
        if challenge % 2 == 0:
            yield point + ((nonce + challenge * secret) % order).to_bytes(32, "little")
