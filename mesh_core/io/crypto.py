"""The core's door to cryptography, opened with one ed25519 key.

Signatures and sealed boxes are libsodium's, which converts ed25519 keys to X25519, so a peer id is enough to
seal to, and so is ChaCha20-Poly1305 (RFC 8439) for payloads, under a key from HKDF-SHA256 (RFC 5869). Shares:
Shamir's scheme (1979). Nothing here loads a second TLS library: that would cost each participant 2 MB and 15 ms.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from functools import lru_cache

from Crypto.Protocol.SecretSharing import Shamir
from nacl import bindings as sodium
from nacl.exceptions import CryptoError

from mesh_core.config import limit
from mesh_core.crypto import SecrecyError

SECRET_BYTES = 16
SHARE_BYTES = 1 + SECRET_BYTES
_PEER_BYTES = 32
_SIGNATURE_BYTES = 64
_NONCE_BYTES = 12
_PAYLOAD_KEY = b"whisper:payload"
_VERIFIED_MAX = 8192


class KeyCrypto:
    """Implements `mesh_core.crypto.Crypto` for the holder of one key."""

    def __init__(self, seed: bytes, entropy: Callable[[int], bytes] = os.urandom) -> None:
        """`seed` is the 32-byte private key of RFC 8032, as it stands in the PEM file; `entropy` gives random bytes."""
        self.entropy = entropy
        self.peer, self._signing_key = sodium.crypto_sign_seed_keypair(seed)
        self._box_key = sodium.crypto_sign_ed25519_sk_to_curve25519(self._signing_key)
        self._box_public = sodium.crypto_sign_ed25519_pk_to_curve25519(self.peer)
        self._verified: dict[bytes, None] = {}

    def sign(self, data: bytes) -> bytes:
        """64-byte signature by this node's key."""
        signed: bytes = sodium.crypto_sign(data, self._signing_key)
        return signed[:_SIGNATURE_BYTES]

    def verify(self, peer: bytes, data: bytes, signature: bytes) -> bool:
        """Whether `signature` over `data` is `peer`'s; False also for malformed input, and for a key that nothing can be
        sealed to (of mixed order): its owner could take part in everything but what needs a secret.

        What was found good is remembered by hash: one promise comes by itself, in its lease certificate and
        in accept requests, and checking it again would cost forty times the lookup.
        """
        if len(peer) != _PEER_BYTES or len(signature) != _SIGNATURE_BYTES:
            return False
        signed = signature + data
        name = hashlib.blake2b(signed, digest_size=32, key=peer).digest()
        if name in self._verified:
            return True
        try:
            sodium.crypto_sign_open(signed, peer)
            _box_key_of(peer)
        except (CryptoError, SecrecyError):
            return False
        self._verified[name] = None
        if len(self._verified) > _VERIFIED_MAX:
            del self._verified[next(iter(self._verified))]
        return True

    def new_secret(self) -> bytes:
        """16 fresh random bytes."""
        return self.entropy(SECRET_BYTES)

    def encrypt(self, secret: bytes, data: bytes) -> bytes:
        """Authenticated encryption under a key derived from the 16-byte `secret`."""
        nonce = self.entropy(_NONCE_BYTES)
        sealed: bytes = sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
            data, None, nonce, _payload_key(secret)
        )
        return nonce + sealed

    def decrypt(self, secret: bytes, data: bytes) -> bytes:
        """Inverse of `encrypt`; raises SecrecyError when the secret or the data is wrong."""
        nonce, sealed = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
        try:
            opened: bytes = sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
                sealed, None, nonce, _payload_key(secret)
            )
        except (CryptoError, ValueError):  # ValueError: too short to hold even the tag
            raise SecrecyError("the payload does not open with this secret") from None
        return opened

    def split(self, secret: bytes, threshold: int, count: int) -> list[bytes]:
        """`count` shares of a 16-byte secret, any `threshold` of which give it back."""
        return [bytes([index]) + part for index, part in Shamir.split(threshold, count, secret, ssss=False)]

    def combine(self, shares: Sequence[bytes]) -> bytes:
        """The secret of at least `threshold` shares; garbage for fewer or wrong ones."""
        by_index = {share[0]: share[1:] for share in shares if len(share) == SHARE_BYTES}
        secret: bytes = Shamir.combine(list(by_index.items()), ssss=False)
        return secret

    def seal(self, peer: bytes, data: bytes) -> bytes:
        """Anonymous public-key encryption to `peer`. Raises SecrecyError when `peer` is no usable key."""
        sealed: bytes = sodium.crypto_box_seal(data, _box_key_of(peer))
        return sealed

    def open(self, sealed: bytes) -> bytes:
        """Open what was sealed to this node; raises SecrecyError."""
        try:
            opened: bytes = sodium.crypto_box_seal_open(sealed, self._box_public, self._box_key)
        except (CryptoError, TypeError):
            raise SecrecyError("sealed to another key, or altered") from None
        return opened


def _payload_key(secret: bytes) -> bytes:
    return hkdf(secret, salt=b"", info=_PAYLOAD_KEY)


def hkdf(secret: bytes, *, salt: bytes, info: bytes) -> bytes:
    """32 bytes of HKDF-SHA256 (RFC 5869): extract, then the first block of expand."""
    extracted = hmac.digest(salt or bytes(32), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


@lru_cache(maxsize=limit("members_max"))
def _box_key_of(peer: bytes) -> bytes:
    """The X25519 key of an ed25519 key."""
    if len(peer) != _PEER_BYTES:
        raise SecrecyError("a peer id has 32 bytes")
    try:
        converted: bytes = sodium.crypto_sign_ed25519_pk_to_curve25519(peer)
    except CryptoError:
        raise SecrecyError(f"{peer.hex()} is no usable key") from None
    return converted
