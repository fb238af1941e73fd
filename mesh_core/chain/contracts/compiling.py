"""From a contract's source to its artifact. The compiler is a tool of developers, not installed with Whisper."""

from __future__ import annotations

from typing import Any

import vyper
from vyper.compiler import compile_code

from mesh_core.chain.contracts import RESOLVER, SOURCES, Artifact

_OVERLOADS = [
    {
        "type": "function",
        "name": "addr",
        "stateMutability": "view",
        "inputs": [{"name": "node", "type": "bytes32"}, {"name": "coinType", "type": "uint256"}],
        "outputs": [{"name": "", "type": "bytes"}],
    },
    {
        "type": "function",
        "name": "setAddr",
        "stateMutability": "nonpayable",
        "inputs": [
            {"name": "node", "type": "bytes32"},
            {"name": "coinType", "type": "uint256"},
            {"name": "a", "type": "bytes"},
        ],
        "outputs": [],
    },
]
"""Functions of the resolver that its default function answers: the language has no overloads."""


def compiled(name: str) -> Artifact:
    """What the installed compiler makes of the contract `name`."""
    source = (SOURCES / f"{name}.vy").read_text(encoding="utf-8")
    made: dict[str, Any] = compile_code(source, output_formats=["abi", "bytecode_runtime", "layout"])
    layout = made["layout"].get("storage_layout", {})
    return Artifact(
        compiler=f"vyper {vyper.__version__}",
        abi=[*made["abi"], *(_OVERLOADS if name == RESOLVER else [])],
        code_hex=made["bytecode_runtime"].removeprefix("0x"),
        slots={variable: place["slot"] for variable, place in layout.items()},
    )
