"""`python -m mesh_core.chain.contracts`: compile every contract again. Needs the compiler, vyper."""

from __future__ import annotations

import sys

import msgspec

from mesh_core.chain.contracts import ARTIFACTS, CONTRACTS
from mesh_core.chain.contracts.compiling import compiled


def main() -> int:
    """Write all artifacts; exit code 0."""
    ARTIFACTS.mkdir(exist_ok=True)
    for name in CONTRACTS:
        text = msgspec.json.format(msgspec.json.encode(compiled(name)), indent=1)
        (ARTIFACTS / f"{name}.json").write_bytes(text + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
