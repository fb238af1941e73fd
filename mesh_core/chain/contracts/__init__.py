"""The contracts of the local chain, in Vyper, and what the compiler makes of them.

`python -m mesh_core.chain.contracts` compiles them again into `artifacts/`; only that needs the compiler.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

SOURCES = Path(__file__).resolve().parent
ARTIFACTS = SOURCES / "artifacts"

REGISTRY = "registry"
RESOLVER = "resolver"
REVERSE_REGISTRAR = "reverse_registrar"
UNIVERSAL_RESOLVER = "universal_resolver"
NAME_WRAPPER = "name_wrapper"
CONTRACTS = (REGISTRY, RESOLVER, REVERSE_REGISTRAR, UNIVERSAL_RESOLVER, NAME_WRAPPER)


class Artifact(msgspec.Struct, frozen=True):
    """What the compiler makes of one contract: `code` is what runs on the chain, `slots` says in which storage slot
    each variable begins."""

    compiler: str
    abi: list[dict[str, Any]]
    code_hex: str
    slots: dict[str, int]

    @property
    def code(self) -> bytes:
        """The code that an account has which is this contract."""
        return bytes.fromhex(self.code_hex)


def artifact(name: str) -> Artifact:
    """That of one of `CONTRACTS`."""
    return msgspec.json.decode((ARTIFACTS / f"{name}.json").read_bytes(), type=Artifact)
