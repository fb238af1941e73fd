"""The first block: ENS at its real addresses, and one account that has all the ether and the names `eth` and `axl.eth`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from eth_utils import keccak

from mesh_core.chain import addresses
from mesh_core.chain.contracts import (
    NAME_WRAPPER,
    REGISTRY,
    RESOLVER,
    REVERSE_REGISTRAR,
    UNIVERSAL_RESOLVER,
    Artifact,
    artifact,
)

CHAIN_ID = 31337
"""As local chains of developers have; no public chain does."""

GAS_LIMIT = 30_000_000
BASE_FEE_WEI = 10**9
ROOT_WEI = 10**9 * 10**18
PARENT = "axl.eth"

CONTRACTS: Mapping[str, str] = {
    REGISTRY: addresses.REGISTRY,
    RESOLVER: addresses.RESOLVER,
    REVERSE_REGISTRAR: addresses.REVERSE_REGISTRAR,
    UNIVERSAL_RESOLVER: addresses.UNIVERSAL_RESOLVER,
    NAME_WRAPPER: addresses.NAME_WRAPPER,
}
"""Address of each contract."""

_RECORD_OWNER, _RECORD_RESOLVER = 0, 1
"""Places of the two fields within a record of the registry."""


@dataclass
class Account:
    """One account as it is before the first transaction; `storage` maps slots to words."""

    balance: int = 0
    nonce: int = 0
    code: bytes = b""
    storage: dict[int, int] = field(default_factory=dict)


def genesis_accounts(root: bytes) -> dict[bytes, Account]:
    """All accounts there are, by address. `root` owns the root of all names, `eth` and `axl.eth`."""
    accounts = {
        _address(where): Account(nonce=1, code=artifact(name).code) for name, where in CONTRACTS.items()
    }
    registrar = _address(addresses.REVERSE_REGISTRAR)
    resolver = _address(addresses.RESOLVER)
    accounts[_address(addresses.REGISTRY)].storage = {
        slot: word
        for name, owner in (
            ("", root),
            ("eth", root),
            (PARENT, root),
            ("reverse", root),
            ("addr.reverse", registrar),
        )
        for slot, word in _record(
            artifact(REGISTRY), name, owner, resolver if name == PARENT else b""
        ).items()
    }
    accounts[root] = Account(balance=ROOT_WEI)
    return accounts


def fingerprint(root: bytes) -> str:
    """Two chains with the same one begin alike."""
    digest = hashlib.sha256(f"{CHAIN_ID} {GAS_LIMIT} {BASE_FEE_WEI}".encode())
    for address, account in sorted(genesis_accounts(root).items()):
        digest.update(f"\n{address.hex()} {account.balance} {account.nonce} {account.code.hex()}".encode())
        digest.update(repr(sorted(account.storage.items())).encode())
    return digest.hexdigest()


def namehash(name: str) -> bytes:
    """EIP-137; `name` is normalised."""
    node = bytes(32)
    for label in reversed(name.split(".") if name else []):
        node = keccak(node + keccak(label.encode()))
    return node


def _record(registry: Artifact, name: str, owner: bytes, resolver: bytes) -> dict[int, int]:
    """Storage of the registry's record of `name`: a mapping's entry lies at the hash of the mapping's slot and its key."""
    slot = int.from_bytes(keccak(registry.slots["records"].to_bytes(32, "big") + namehash(name)), "big")
    fields = {slot + _RECORD_OWNER: owner, slot + _RECORD_RESOLVER: resolver}
    return {place: int.from_bytes(word, "big") for place, word in fields.items() if word}


def _address(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
