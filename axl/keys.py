"""A participant *is* an ed25519 key: the PEM its AXL node uses. PEM ⇄ peer id, signatures, the 200::/7 address.

A peer id is the 32-byte public key; in text, 64 lower-case hexadecimal characters.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

PEER_ID_BYTES = 32
SIGNATURE_BYTES = 64
KEY_FILE_MODE = 0o600
KEY_FILE_BYTES_MAX = 64 * 1024
ADDRESS_PREFIX = 0x02
"""First byte of every node address: Yggdrasil's 200::/7 (github.com/yggdrasil-network, src/address)."""

# RFC 8410 §7 leaves no choice in how an ed25519 key is written, so that comparing bytes is the strictest
# parser: version 0 as openssl writes it, version 1 with the public key appended as some libraries do.
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
_PKCS8_WITH_PUBLIC = bytes.fromhex("3051020101300506032b657004220420")
_PUBLIC_PART = bytes.fromhex("812100")
_PEM_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s+([A-Za-z0-9+/=\s]*?)-----END \1-----")
_PEER_ID_TEXT = re.compile(r"[0-9a-fA-F]{64}")


class KeyFileError(Exception):
    """A key file is missing, unreadable, or not an ed25519 private key. The message is one line for the user."""


class PeerIdError(ValueError):
    """Text that should be a peer id is not 64 hexadecimal characters."""


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """An ed25519 private key. `seed` (32 bytes) is the secret, `peer` the public key that names its owner."""

    seed: bytes = field(repr=False)
    peer: bytes

    def sign(self, data: bytes) -> bytes:
        """64-byte signature over `data`."""
        return SigningKey(self.seed).sign(data).signature

    def pem(self) -> bytes:
        """The key as PKCS#8 PEM, byte for byte what `openssl genpkey -algorithm ed25519` writes."""
        body = base64.b64encode(_PKCS8 + self.seed)
        return b"-----BEGIN PRIVATE KEY-----\n" + body + b"\n-----END PRIVATE KEY-----\n"


def from_seed(seed: bytes) -> PrivateKey:
    """The key that grows from a 32-byte seed (RFC 8032 §5.1.5)."""
    return PrivateKey(seed, bytes(SigningKey(seed).verify_key))


def generate() -> PrivateKey:
    """A fresh key."""
    return from_seed(os.urandom(32))


def load(path: Path | str) -> PrivateKey:
    """The key in a PEM file, as made by this module or by openssl. Raises KeyFileError."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(KEY_FILE_BYTES_MAX)
    except FileNotFoundError:
        raise KeyFileError(
            f"key file {path} does not exist; make one with: openssl genpkey -algorithm ed25519 -out {path}"
        ) from None
    except OSError as error:
        raise KeyFileError(f"key file {path} cannot be read: {error.strerror}") from None
    try:
        return from_pem(content)
    except KeyFileError as error:
        raise KeyFileError(f"key file {path} {error}") from None


def from_pem(content: bytes) -> PrivateKey:
    """The key in PKCS#8 PEM text. Raises KeyFileError, whose message continues a sentence on the file."""
    block = _PEM_BLOCK.search(content.decode("ascii", "replace"))
    if block is None:
        raise KeyFileError("holds no PEM block; expected -----BEGIN PRIVATE KEY----- with an ed25519 key")
    label, body = block.groups()
    if label == "ENCRYPTED PRIVATE KEY":
        raise KeyFileError("is encrypted; decrypt it with: openssl pkey -in FILE -out NEW")
    if label != "PRIVATE KEY":
        raise KeyFileError(f"holds a {label}; expected an ed25519 PRIVATE KEY (PKCS#8)")
    try:
        der = base64.b64decode("".join(body.split()), validate=True)
    except binascii.Error:
        raise KeyFileError("is damaged: its PEM block is not base64") from None
    return _from_pkcs8(der)


def _from_pkcs8(der: bytes) -> PrivateKey:
    plain = len(_PKCS8) + 32
    if der.startswith(_PKCS8) and len(der) == plain:
        return from_seed(der[-32:])
    with_public = plain + len(_PUBLIC_PART) + 32
    if der.startswith(_PKCS8_WITH_PUBLIC) and len(der) == with_public:
        key = from_seed(der[len(_PKCS8_WITH_PUBLIC) : plain])
        if der[plain:] != _PUBLIC_PART + key.peer:
            raise KeyFileError("is damaged: its public half does not belong to its private half")
        return key
    raise KeyFileError("holds no ed25519 key; make one with: openssl genpkey -algorithm ed25519")


def make(path: Path | str) -> PrivateKey:
    """Write a fresh key to a new file that only its owner can read. Raises KeyFileError, never overwrites."""
    path = Path(path)
    key = generate()
    try:
        # The mode is given at creation: a later chmod would leave a moment in which others can read.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEY_FILE_MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(key.pem())
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            path.unlink()  # half a key would be taken for a damaged one
            raise
    except FileExistsError:
        raise KeyFileError(f"key file {path} exists already and is never overwritten") from None
    except OSError as error:
        raise KeyFileError(f"key file {path} cannot be written: {error.strerror}") from None
    return key


def verify(peer: bytes, data: bytes, signature: bytes) -> bool:
    """Whether `signature` over `data` is `peer`'s; False also for malformed input."""
    if len(peer) != PEER_ID_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        VerifyKey(peer).verify(data, signature)
    except BadSignatureError:
        return False
    return True


def parse_peer_id(text: str) -> bytes:
    """The peer id in 64 hexadecimal characters. Raises PeerIdError."""
    if not _PEER_ID_TEXT.fullmatch(text):
        raise PeerIdError(f"a peer id is 64 hexadecimal characters, not {text[:80]!r}")
    return bytes.fromhex(text)


def address_of(peer: bytes) -> str:
    """The IPv6 address of a key, in 200::/7, as text.

    Yggdrasil's rule: invert the key's bits and count the leading ones; the address is 0x02, that count,
    then the bits after the first zero, to 16 bytes. Hence an address names a key only by its first bits.
    """
    inverted = "".join(f"{byte ^ 0xFF:08b}" for byte in peer)
    ones = len(inverted) - len(inverted.lstrip("1"))
    rest = inverted[ones + 1 :].ljust(112, "0")[:112]
    return socket.inet_ntop(socket.AF_INET6, bytes([ADDRESS_PREFIX, ones % 256]) + int(rest, 2).to_bytes(14))
