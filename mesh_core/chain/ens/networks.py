"""Networks that names may be on, and where ENS is there. Each address may be given otherwise, and is looked at before it is used:
sources disagree."""

from __future__ import annotations

import re
from dataclasses import dataclass

from msgspec import Struct

from mesh_core.chain import addresses

LOCAL, MAINNET, SEPOLIA = 31_337, 1, 11_155_111

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)


class Deployment(Struct, frozen=True):
    """Addresses of ENS's contracts on one chain; `resolver` is for names whose parent has none."""

    registry: str = addresses.REGISTRY
    universal_resolver: str = addresses.UNIVERSAL_RESOLVER
    resolver: str = ""
    wrapper: str = ""


@dataclass(frozen=True)
class Network:
    """A chain by its name for people."""

    chain_id: int
    name: str
    deployment: Deployment


NETWORKS = (
    Network(LOCAL, "local", Deployment(resolver=addresses.RESOLVER, wrapper=addresses.NAME_WRAPPER)),
    Network(MAINNET, "mainnet", Deployment(resolver=addresses.RESOLVER, wrapper=addresses.NAME_WRAPPER)),
    Network(
        SEPOLIA,
        "sepolia",
        Deployment(
            resolver="0xE99638b40E4Fff0129D56f03b55b6bbC4BBE49b5",
            wrapper="0x0635513f179D50A207757E05759CbD106d7dFcE8",
        ),
    ),
)


def network_of(chain_id: int) -> Network:
    """What is known of a chain."""
    known = {network.chain_id: network for network in NETWORKS}
    return known.get(chain_id) or Network(chain_id, f"chain {chain_id}", Deployment())


def is_address(text: str) -> bool:
    """Whether a text is an address: 0x and 40 hexadecimal digits."""
    return _ADDRESS.fullmatch(text) is not None
