"""The binding of a peer to a name: two keys that each sign for the other, checked by anybody without asking a chain.

The account that owns the name signs EIP-712 `PeerBinding(bytes32 peerId, address account, string ensName, uint64 issuedAt)`;
the peer's ed25519 key signs that statement's digest behind a domain of its own. 129 bytes, kept in the text record
`axl.binding` as `1.ISSUED_AT.HEX`. ed25519 is not checked on the chain: there is no precompile for it.

Which account owns the name only the chain can tell: `verify` is told, and says whether that account and that peer made this
binding, for that name, on that chain, at a time that counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from eth_keys.datatypes import PrivateKey, Signature
from eth_keys.exceptions import BadSignature
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError

from axl.keys import verify as verify_ed25519

VERSION = "1"
DOMAIN = b"whisper:peer-binding\0"
"""Goes before what the ed25519 key signs. No signed statement of the mesh begins so."""

EVM_SIGNATURE_BYTES = 65
BINDING_BYTES = EVM_SIGNATURE_BYTES + 64

AGE_S_MAX = 365 * 86_400
"""A binding that is older counts no more: whoever holds both keys signs a new one long before (`RENEW_AFTER_S`)."""

RENEW_AFTER_S = AGE_S_MAX // 2
AHEAD_S_MAX = 3_600
"""By so much the clock of whoever signed may be ahead."""

_TEXT = re.compile(r"1\.([0-9]{1,15})\.([0-9a-f]{258})", re.ASCII)
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""Half of the order of secp256k1: of the two signatures (r, ±s) only the lower one counts (EIP-2)."""

_DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId)")
_BINDING_TYPE = keccak(b"PeerBinding(bytes32 peerId,address account,string ensName,uint64 issuedAt)")
_NAME = keccak(b"Whisper")
_VERSION = keccak(VERSION.encode())


class BadBinding(ValueError):
    """A binding does not hold; the message says why, in words that go on a line `unverified: …`."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a binding is about. `account` has 20 bytes, `peer` 32."""

    chain_id: int
    name: str
    account: bytes
    peer: bytes


@dataclass(frozen=True, slots=True)
class Binding:
    """Both signatures, and when they were made, in seconds since 1970."""

    issued_s: int
    by_account: bytes
    by_peer: bytes

    def text(self) -> str:
        """As it stands in a text record."""
        return f"{VERSION}.{self.issued_s}.{(self.by_account + self.by_peer).hex()}"


def digest(subject: Subject, issued_s: int) -> bytes:
    """What the account signs: the EIP-712 hash."""
    domain = keccak(_DOMAIN_TYPE + _NAME + _VERSION + subject.chain_id.to_bytes(32))
    said = keccak(
        _BINDING_TYPE
        + subject.peer
        + subject.account.rjust(32, b"\0")
        + keccak(subject.name.encode())
        + issued_s.to_bytes(32)
    )
    return keccak(b"\x19\x01" + domain + said)


def typed_data(subject: Subject, issued_s: int) -> dict[str, object]:
    """The same as the document that a wallet shows before it signs (`eth_signTypedData_v4`)."""
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
            ],
            "PeerBinding": [
                {"name": "peerId", "type": "bytes32"},
                {"name": "account", "type": "address"},
                {"name": "ensName", "type": "string"},
                {"name": "issuedAt", "type": "uint64"},
            ],
        },
        "primaryType": "PeerBinding",
        "domain": {"name": "Whisper", "version": VERSION, "chainId": subject.chain_id},
        "message": {
            "peerId": subject.peer,
            "account": "0x" + subject.account.hex(),
            "ensName": subject.name,
            "issuedAt": issued_s,
        },
    }


def bind(
    subject: Subject, issued_s: int, evm_key: PrivateKey, sign_as_peer: Callable[[bytes], bytes]
) -> Binding:
    """A new binding, by the private key of the account and whatever signs with that of the peer."""
    hashed = digest(subject, issued_s)
    signature = evm_key.sign_msg_hash(hashed).to_bytes()
    by_account = signature[:64] + bytes([signature[64] + 27])  # as wallets write it
    return Binding(issued_s, by_account, sign_as_peer(DOMAIN + hashed))


def read_binding(text: str) -> Binding:
    """The binding in a text record. Raises BadBinding."""
    if not text:
        raise BadBinding("it has no binding")
    found = _TEXT.fullmatch(text)
    if found is None:
        raise BadBinding("its binding is not one that can be read")
    signatures = bytes.fromhex(found[2])
    return Binding(int(found[1]), signatures[:EVM_SIGNATURE_BYTES], signatures[EVM_SIGNATURE_BYTES:])


def verify(subject: Subject, binding: Binding, now_s: float) -> None:
    """Raises BadBinding unless `subject`'s account and peer have both signed this, at a time that counts now."""
    if binding.issued_s > now_s + AHEAD_S_MAX:
        raise BadBinding("its binding is dated in the future")
    if binding.issued_s < now_s - AGE_S_MAX:
        raise BadBinding(f"its binding is stale: it was signed more than {AGE_S_MAX // 86_400} days ago")
    hashed = digest(subject, binding.issued_s)
    if _signer(hashed, binding.by_account) != subject.account:
        raise BadBinding("its binding was not signed by the account that owns it, for this peer and name")
    if not verify_ed25519(subject.peer, DOMAIN + hashed, binding.by_peer):
        raise BadBinding("its binding was not signed by the peer")


def _signer(hashed: bytes, signature: bytes) -> bytes:
    """The account whose key made a signature, empty when no key did."""
    if signature[64] not in (27, 28) or int.from_bytes(signature[32:64]) > _HALF_ORDER:
        return b""
    try:
        plain = Signature(signature[:64] + bytes([signature[64] - 27]))
        return bytes(plain.recover_public_key_from_msg_hash(hashed).to_canonical_address())
    except (BadSignature, ValidationError):
        return b""
