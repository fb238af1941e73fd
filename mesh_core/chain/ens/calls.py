"""Calls of contracts: what is sent, and what comes back. Encoding is eth_abi's; the functions are ENS's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import function_signature_to_4byte_selector
from eth_utils.address import to_checksum_address
from web3 import AsyncWeb3
from web3.types import TxParams

from mesh_core.chain.ens.errors import ChainUnavailable
from mesh_core.chain.ens.rpc import BoundedProvider, data

W3: TypeAlias = AsyncWeb3[BoundedProvider]

NOBODY = bytes(20)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a contract: `text(bytes32,string)` and the types of what it returns."""

    signature: str
    returns: tuple[str, ...] = ()

    def data(self, *arguments: Any) -> bytes:
        """A call of it."""
        inner = self.signature.partition("(")[2][:-1]
        return bytes(function_signature_to_4byte_selector(self.signature)) + encode(
            inner.split(",") if inner else [], arguments
        )

    def result(self, returned: bytes) -> Any:
        """What a call has returned: one value, or a tuple of several. Raises ChainUnavailable for anything else."""
        try:
            found = decode(self.returns, returned)
        except (DecodingError, UnicodeDecodeError, OverflowError, ValueError) as error:
            told = f"{self.signature} returned something else ({type(error).__name__})"
            raise ChainUnavailable(told) from None
        return found[0] if len(found) == 1 else found


OWNER = Function("owner(bytes32)", ("address",))
RESOLVER = Function("resolver(bytes32)", ("address",))
SET_SUBNODE_RECORD = Function("setSubnodeRecord(bytes32,bytes32,address,address,uint64)")
SET_RESOLVER = Function("setResolver(bytes32,address)")
SET_OWNER = Function("setOwner(bytes32,address)")

OWNER_OF = Function("ownerOf(uint256)", ("address",))
WRAPPED_SUBNODE_RECORD = Function(
    "setSubnodeRecord(bytes32,string,address,address,uint64,uint32,uint64)", ("bytes32",)
)
SAFE_TRANSFER = Function("safeTransferFrom(address,address,uint256,uint256,bytes)")

ADDR = Function("addr(bytes32)", ("address",))
TEXT = Function("text(bytes32,string)", ("string",))
NAME = Function("name(bytes32)", ("string",))
SET_ADDR = Function("setAddr(bytes32,address)")
SET_TEXT = Function("setText(bytes32,string,string)")
MULTICALL = Function("multicall(bytes[])", ("bytes[]",))

SET_NAME = Function("setName(string)", ("bytes32",))
NODE_OF = Function("node(address)", ("bytes32",))

RESOLVE = Function("resolve(bytes,bytes)", ("bytes", "address"))


def to_bytes(address: str) -> bytes:
    """The 20 bytes of an address in text."""
    return bytes.fromhex(address.removeprefix("0x"))


def to_text(address: bytes) -> str:
    """An address as people write it (EIP-55), empty for nobody's."""
    return "" if address in (NOBODY, b"") else to_checksum_address(address)


async def read(w3: W3, what: str, to: str, function: Function, *arguments: Any) -> Any:
    """What a function that changes nothing returns. Raises Refused and ChainUnavailable."""
    call: TxParams = {"to": to_checksum_address(to), "data": "0x" + function.data(*arguments).hex()}  # type: ignore[typeddict-item]
    return function.result(await data(what, w3.eth.call(call)))


async def has_code(w3: W3, address: str) -> bool:
    """Whether there is a contract."""
    return bool(await data(f"looking at {address}", w3.eth.get_code(to_checksum_address(address))))
