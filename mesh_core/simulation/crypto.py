"""Seeded stand-ins for cryptography that keep its promises inside one world.

The `Vault` knows every secret there is; a `SealedCrypto` acts for one key with its help. Nobody can sign for
another key, open what was sealed to another, or combine fewer shares than the threshold, because the vault
checks it. Everything is a hash of the seed, so a run repeats byte for byte and costs microseconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mesh_core.crypto import Crypto, SecrecyError

_NONCE = 8
_TAG = 8
_PEER = 32
SHARE_BYTES = 17


def _hash(*parts: bytes, size: int = 32, key: bytes = b"") -> bytes:
    state = hashlib.blake2b(digest_size=size, key=key)
    for part in parts:
        state.update(part)
    return state.digest()


@dataclass(frozen=True, slots=True)
class Escrow:
    """A secret that was split: who did it, and how many shares give it back."""

    number: int
    owner: bytes
    secret: bytes
    threshold: int


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """Part of a split secret was sealed by `author` for `recipient`; `share` is None for the secret itself."""

    author: bytes
    recipient: bytes
    escrow: Escrow
    share: int | None
    sealed: bytes


class Keys(Protocol):
    """Where a world gets its hosts' keys from."""

    on_key_material: Callable[[KeyMaterial], None] | None

    def key(self, name: str) -> bytes:
        """The public key of the host called `name`."""

    def crypto(self, name: str) -> Crypto:
        """Its door to cryptography."""


class Vault:
    """All keys, secrets and shares of one world.

    `on_key_material` hears of every share or split secret that is sealed to somebody: this is how a checker
    knows who could read what.
    """

    def __init__(self, seed: str) -> None:
        self._seed = _hash(seed.encode())
        self._signing: dict[bytes, bytes] = {}
        self._shares: dict[bytes, tuple[Escrow, int]] = {}
        self._secrets: dict[bytes, Escrow] = {}
        self.on_key_material: Callable[[KeyMaterial], None] | None = None

    def key(self, name: str) -> bytes:
        """The public key called `name`, made when first asked for."""
        peer = _hash(b"public", name.encode(), key=self._seed)
        self._signing.setdefault(peer, _hash(b"private", name.encode(), key=self._seed))
        return peer

    def crypto(self, name: str) -> Crypto:
        """What the holder of the key called `name` can do."""
        return SealedCrypto(self, self.key(name))

    def signature(self, peer: bytes, data: bytes) -> bytes:
        """The one valid signature of `peer` over `data`."""
        return hashlib.blake2b(data, digest_size=64, key=self._signing[peer]).digest()

    def knows(self, peer: bytes) -> bool:
        """Whether `peer` is a key of this world."""
        return peer in self._signing

    def stream(self, peer: bytes, nonce: int) -> bytes:
        """32 bytes that no other (peer, nonce) gives."""
        return _hash(peer, nonce.to_bytes(8, "big"), key=self._seed)

    def split(self, owner: bytes, secret: bytes, threshold: int, count: int) -> list[bytes]:
        """Shares of `secret`, remembered."""
        escrow = Escrow(len(self._secrets), owner, secret, threshold)
        self._secrets[secret] = escrow
        salt = escrow.number.to_bytes(8, "big")
        shares = [
            bytes([index]) + _hash(salt, bytes([index]), size=SHARE_BYTES - 1, key=self._seed)
            for index in range(1, count + 1)
        ]
        for index, share in enumerate(shares, start=1):
            self._shares[share] = (escrow, index)
        return shares

    def combine(self, shares: Sequence[bytes]) -> bytes:
        """The secret when enough different shares of one escrow are there, else garbage."""
        found = [self._shares[share] for share in shares if share in self._shares]
        indices = {index for _, index in found}
        if len(found) == len(shares) and len({e.number for e, _ in found}) == 1:
            escrow = found[0][0]
            if len(indices) >= escrow.threshold:
                return escrow.secret
        return _hash(b"garbage", *shares, size=16)

    def sealed(self, author: bytes, recipient: bytes, data: bytes, sealed: bytes) -> None:
        """Tell who watches when key material changes hands."""
        if self.on_key_material is None:
            return
        if data in self._secrets:
            self.on_key_material(KeyMaterial(author, recipient, self._secrets[data], None, sealed))
        elif data in self._shares:
            escrow, index = self._shares[data]
            self.on_key_material(KeyMaterial(author, recipient, escrow, index, sealed))


class SealedCrypto:
    """`mesh_core.crypto.Crypto` for the key `peer`, backed by the vault of its world."""

    def __init__(self, vault: Vault, peer: bytes) -> None:
        self._vault = vault
        self._peer = peer
        self._drawn = 0

    def sign(self, data: bytes) -> bytes:
        """Signature of this key."""
        return self._vault.signature(self._peer, data)

    def verify(self, peer: bytes, data: bytes, signature: bytes) -> bool:
        """Whether `signature` is the one of `peer` over `data`."""
        return self._vault.knows(peer) and self._vault.signature(peer, data) == signature

    def new_secret(self) -> bytes:
        """16 bytes that nobody else draws."""
        return self._draw()[:16]

    def encrypt(self, secret: bytes, data: bytes) -> bytes:
        """Masked data behind a tag that only the same secret and data give."""
        return _hash(data, size=16, key=secret) + _mask(secret, data)

    def decrypt(self, secret: bytes, data: bytes) -> bytes:
        """Inverse of `encrypt`; SecrecyError when the tag does not fit."""
        plain = _mask(secret, data[16:])
        if not secret or _hash(plain, size=16, key=secret) != data[:16]:
            raise SecrecyError("wrong secret or altered data")
        return plain

    def split(self, secret: bytes, threshold: int, count: int) -> list[bytes]:
        """`count` shares, `threshold` of which are needed."""
        return self._vault.split(self._peer, secret, threshold, count)

    def combine(self, shares: Sequence[bytes]) -> bytes:
        """The secret, or garbage."""
        return self._vault.combine(shares)

    def seal(self, peer: bytes, data: bytes) -> bytes:
        """Bytes that only `peer` opens; different each time, as libsodium's."""
        nonce = self._draw()[:_NONCE]
        pad = _hash(peer, nonce, size=16)
        sealed = peer + nonce + _hash(nonce, data, size=_TAG, key=peer) + _mask(pad, data)
        self._vault.sealed(self._peer, peer, data, sealed)
        return sealed

    def open(self, sealed: bytes) -> bytes:
        """What was sealed to this key; SecrecyError when it was another's or was altered."""
        nonce, tag = sealed[_PEER : _PEER + _NONCE], sealed[_PEER + _NONCE : _PEER + _NONCE + _TAG]
        if sealed[:_PEER] != self._peer:
            raise SecrecyError("sealed to another key")
        data = _mask(_hash(self._peer, nonce, size=16), sealed[_PEER + _NONCE + _TAG :])
        if _hash(nonce, data, size=_TAG, key=self._peer) != tag:
            raise SecrecyError("sealed bytes were altered")
        return data

    def _draw(self) -> bytes:
        self._drawn += 1
        return self._vault.stream(self._peer, self._drawn)


def _mask(key: bytes, data: bytes) -> bytes:
    pad = hashlib.shake_128(key).digest(len(data))
    return (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(len(data), "big")
