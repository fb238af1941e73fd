"""A local chain inside the test: web3 asks it without a socket, and signs with keys of the test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import vyper.compiler
from ens import ENS
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.providers.base import JSONBaseProvider

from mesh_core.chain import addresses
from mesh_core.chain.contracts import artifact
from mesh_core.chain.local.chain import LocalChain
from mesh_core.chain.local.dispatch import Dispatch
from mesh_core.chain.local.genesis import namehash

ROOT: LocalAccount = Account.from_key("0x" + "11" * 32)
ALICE: LocalAccount = Account.from_key("0x" + "22" * 32)
MALLORY: LocalAccount = Account.from_key("0x" + "33" * 32)
AXL = namehash("axl.eth")


def raised(error: BaseException) -> None:
    """What fails inside the chain fails the test."""
    raise error


class Inside(JSONBaseProvider):
    """A web3 provider that hands each request to the chain as bytes and gets bytes back."""

    def __init__(self, chain: LocalChain) -> None:
        super().__init__()
        self._dispatch = Dispatch(chain, raised)

    def make_request(self, method: Any, params: Any) -> Any:
        return json.loads(self._dispatch.answer(self.encode_rpc_request(method, params)))

    def is_connected(self, show_traceback: bool = False) -> bool:
        return True


class World:
    """The chain, its contracts, and what its people do."""

    def __init__(self, folder: Path) -> None:
        self.chain = LocalChain(folder / "chain.db", bytes.fromhex(ROOT.address[2:]))
        self.w3 = Web3(Inside(self.chain))
        self.ens = ENS.from_web3(self.w3)
        self.registry = self.contract("registry", addresses.REGISTRY)
        self.resolver = self.contract("resolver", addresses.RESOLVER)
        self.reverse = self.contract("reverse_registrar", addresses.REVERSE_REGISTRAR)
        self.wrapper = self.contract("name_wrapper", addresses.NAME_WRAPPER)
        for account in (ALICE, MALLORY):
            self.pay(account, 10**20)

    def contract(self, name: str, address: str) -> Contract:
        return self.w3.eth.contract(address=Web3.to_checksum_address(address), abi=artifact(name).abi)

    def pay(self, account: LocalAccount, wei: int) -> None:
        self.signed(ROOT, {"to": account.address, "value": wei, "gas": 21_000})

    def signed(self, who: LocalAccount, fields: dict[str, Any]) -> Any:
        """The receipt of a transaction."""
        fees = {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9}
        nonce = self.w3.eth.get_transaction_count(who.address)
        whole = {"chainId": 31337, "nonce": nonce, "value": 0, "gas": 3_000_000, **fees, **fields}
        raw = who.sign_transaction(whole).raw_transaction
        return self.w3.eth.get_transaction_receipt(self.w3.eth.send_raw_transaction(raw))

    def does(self, who: LocalAccount, call: ContractFunction) -> bool:
        """Whether the call went through as a transaction of `who`."""
        data = call._encode_transaction_data()
        receipt = self.signed(who, {"to": call.address, "data": data})
        return bool(receipt["status"])

    def why_not(self, who: LocalAccount, call: ContractFunction) -> str:
        """What the contract says when `who` tries; the transaction must fail too."""
        assert not self.does(who, call)
        try:
            call.call({"from": who.address})
        except Exception as error:  # web3 has a class of its own for each way to refuse
            return str(error)
        raise AssertionError(f"{call.fn_name} was not refused")

    def give(self, name: str, owner: LocalAccount, resolver: str = addresses.RESOLVER) -> bytes:
        """`name`, a child of axl.eth, belongs to `owner`; its node."""
        label = Web3.keccak(text=name.removesuffix(".axl.eth"))
        assert self.does(
            ROOT,
            self.registry.functions.setSubnodeRecord(
                AXL, label, owner.address, Web3.to_checksum_address(resolver), 0
            ),
        )
        return namehash(name)

    def deploy(self, source: str, args: Sequence[Any] = ()) -> Contract:
        """A contract of a stranger."""
        made = vyper.compiler.compile_code(source, output_formats=["abi", "bytecode"])
        contract = self.w3.eth.contract(abi=made["abi"], bytecode=made["bytecode"])
        data = contract.constructor(*args).data_in_transaction
        receipt = self.signed(MALLORY, {"data": data})
        return self.w3.eth.contract(address=receipt["contractAddress"], abi=made["abi"])
