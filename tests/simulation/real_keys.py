"""Real cryptography in a simulated world: slower, and with randomness of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from mesh_core.identity.crypto import Crypto
from mesh_core.io.crypto import KeyCrypto
from mesh_core.simulation.crypto import KeyMaterial


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
        return KeyCrypto(hashlib.blake2b(f"{self._seed}/{name}".encode(), digest_size=32).digest())
