"""The text records of a provider's name (EIP-634): what it announces, and its binding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

PEER_ID = "axl.peer_id"
BINDING = "axl.binding"
CAPABILITIES = "capabilities"
PRICE = "price_axl"
SHARD = "shard_id"

KEPT = (PEER_ID, BINDING, CAPABILITIES, PRICE, SHARD)
"""Written by the registrar, and emptied when a provider leaves."""

READ = (*KEPT, "description", "url", "avatar", "email", "com.github")
"""Asked for of every name: the registrar's, and what people commonly say (ENSIP-5, ENSIP-18)."""

MICRO_PER_AXL = 1_000_000


class Announced(Struct, frozen=True):
    """What a provider says of itself: price in micro-AXL, its home shards."""

    capabilities: Sequence[str] = ()
    price_micro: int = 0
    shards: Sequence[int] = ()


def records_of(peer: str, announced: Announced) -> dict[str, str]:
    """The records of a provider's name, its binding left out."""
    return {
        PEER_ID: peer,
        CAPABILITIES: ",".join(announced.capabilities)[:512],
        PRICE: f"{announced.price_micro / MICRO_PER_AXL:.6f}".rstrip("0").rstrip("."),
        SHARD: ",".join(map(str, announced.shards))[:512],
    }


def retired() -> dict[str, str]:
    """The records of one that has left: none."""
    return dict.fromkeys(KEPT, "")


def differing(wanted: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """What has to be written: records that are wanted and are not so."""
    return {key: text for key, text in wanted.items() if found.get(key, "") != text}
