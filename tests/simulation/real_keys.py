"""Real cryptography in a simulated world: slower, and with randomness that comes from the seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import Random
from unittest.mock import patch

from Crypto.Protocol import SecretSharing
from nacl import bindings as sodium
from nacl.exceptions import CryptoError

from mesh_core.crypto import Crypto, SecrecyError
from mesh_core.io.crypto import KeyCrypto
from mesh_core.simulation.crypto import KeyMaterial

_SEAL_NONCE_BYTES = 24


class RealKeys:
    """Ed25519 keys made from a seed. Nobody is told of key material: real shares cannot be looked through."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self.on_key_material: Callable[[KeyMaterial], None] | None = None

    def key(self, name: str) -> bytes:
        """The public key of the host called `name`."""
        return self._door(name).peer

    def crypto(self, name: str) -> Crypto:
        """Its door to cryptography."""
        return self._door(name)

    def _door(self, name: str) -> KeyCrypto:
        return _Repeatable(hashlib.blake2b(f"{self._seed}/{name}".encode(), digest_size=32).digest())


class _Repeatable(KeyCrypto):
    """The door that production opens, with randomness that repeats: job ids, and with them everything that is ranked by
    them, follow from it. What the libraries draw by themselves is drawn here instead."""

    def __init__(self, seed: bytes) -> None:
        super().__init__(seed, Random(seed).randbytes)

    def split(self, secret: bytes, threshold: int, count: int) -> list[bytes]:
        with patch.object(SecretSharing, "rng", self.entropy):
            return super().split(secret, threshold, count)

    def seal(self, peer: bytes, data: bytes) -> bytes:
        """libsodium's sealed box (crypto_box_seal), whose one-time key is drawn from the seed."""
        try:
            box_key = sodium.crypto_sign_ed25519_pk_to_curve25519(peer)
        except (CryptoError, ValueError):
            raise SecrecyError("no usable key") from None
        once, secret = sodium.crypto_box_seed_keypair(self.entropy(sodium.crypto_box_SEEDBYTES))
        nonce = hashlib.blake2b(once + box_key, digest_size=_SEAL_NONCE_BYTES).digest()
        sealed: bytes = once + sodium.crypto_box(data, nonce, box_key, secret)
        return sealed
