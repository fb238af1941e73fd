"""The methods of JSON-RPC that this chain answers: those that reading and signed transactions need.

No account is unlocked here: everything that changes the chain comes signed, so that whoever reaches the port can read,
and write only what is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eth.abc import BlockHeaderAPI, StateAPI
from eth_typing import Address
from eth_utils import keccak

from mesh_core.chain.local import shown
from mesh_core.chain.local.chain import Call, LocalChain, Unknown, base_fee
from mesh_core.chain.local.genesis import CHAIN_ID
from mesh_core.chain.local.logs import find_logs
from mesh_core.chain.local.words import (
    WordError,
    data,
    quantity,
    read_address,
    read_data,
    read_quantity,
)

CLIENT = "whisper-chain/1"
TIP_WEI = 10**9
HISTORY_BLOCKS_MAX = 1024

_ZERO_ADDRESS = bytes(20)
_NEWEST = {"latest", "pending", "safe", "finalized"}


class Methods:
    """Answers calls for one chain, one after the other. Raises WordError, and what `LocalChain` raises."""

    def __init__(self, chain: LocalChain) -> None:
        self._chain = chain
        self.table: Mapping[str, Callable[[list[Any]], Any]] = {
            "web3_clientVersion": lambda _: CLIENT,
            "web3_sha3": lambda params: data(keccak(read_data(_param(params, 0), "data"))),
            "net_version": lambda _: str(CHAIN_ID),
            "net_listening": lambda _: True,
            "net_peerCount": lambda _: quantity(0),
            "eth_chainId": lambda _: quantity(CHAIN_ID),
            "eth_syncing": lambda _: False,
            "eth_accounts": lambda _: [],
            "eth_blockNumber": lambda _: quantity(chain.head.block_number),
            "eth_gasPrice": lambda _: quantity(base_fee(chain.head) + TIP_WEI),
            "eth_maxPriorityFeePerGas": lambda _: quantity(TIP_WEI),
            "eth_feeHistory": self._fee_history,
            "eth_getBalance": self._balance,
            "eth_getTransactionCount": self._transaction_count,
            "eth_getCode": self._code,
            "eth_getStorageAt": self._storage,
            "eth_call": self._call,
            "eth_estimateGas": self._estimate,
            "eth_sendRawTransaction": lambda params: data(
                chain.send(read_data(_param(params, 0), "transaction"))
            ),
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionReceipt": self._receipt,
            "eth_getBlockByNumber": self._block,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBlockReceipts": self._block_receipts,
            "eth_getLogs": self._logs,
        }

    # ------------------------------------------------------------------------------------------- accounts

    def _balance(self, params: list[Any]) -> str:
        state, account = self._account(params)
        return quantity(state.get_balance(account))

    def _transaction_count(self, params: list[Any]) -> str:
        state, account = self._account(params)
        return quantity(state.get_nonce(account))

    def _code(self, params: list[Any]) -> str:
        state, account = self._account(params)
        return data(state.get_code(account))

    def _storage(self, params: list[Any]) -> str:
        account = Address(read_address(_param(params, 0), "address"))
        slot = read_quantity(_param(params, 1), "slot")
        state = self._chain.state(self._header(_param(params, 2)))
        return data(state.get_storage(account, slot).to_bytes(32, "big"))

    def _account(self, params: list[Any]) -> tuple[StateAPI, Address]:
        account = Address(read_address(_param(params, 0), "address"))
        return self._chain.state(self._header(_param(params, 1))), account

    # --------------------------------------------------------------------------------------------- running

    def _call(self, params: list[Any]) -> str:
        return data(self._chain.call(_call(_param(params, 0)), self._header(_param(params, 1))))

    def _estimate(self, params: list[Any]) -> str:
        return quantity(self._chain.estimate(_call(_param(params, 0)), self._header(_param(params, 1))))

    def _fee_history(self, params: list[Any]) -> dict[str, Any]:
        wanted = _param(params, 0)
        count = wanted if isinstance(wanted, int) else read_quantity(wanted, "number of blocks")
        newest = self._header(_param(params, 1)).block_number
        percentiles = _param(params, 2) or []
        if not isinstance(percentiles, list) or len(percentiles) > 100:
            raise WordError("percentiles: expected a list of at most 100")
        first = max(0, newest - min(max(count, 1), HISTORY_BLOCKS_MAX) + 1)
        headers = [self._chain.header(number) for number in range(first, newest + 1)]
        fees = [quantity(base_fee(one)) for one in headers]
        return {
            "oldestBlock": quantity(first),
            "baseFeePerGas": [*fees, fees[-1]],
            "gasUsedRatio": [one.gas_used / one.gas_limit for one in headers],
            "reward": [[quantity(TIP_WEI) for _ in percentiles] for _ in headers],
        }

    # -------------------------------------------------------------------------------- blocks, transactions

    def _block(self, params: list[Any]) -> dict[str, Any] | None:
        try:
            header = self._header(_param(params, 0))
        except Unknown:
            return None
        return shown.block_shown(self._chain.block(header), _param(params, 1) is True)

    def _block_by_hash(self, params: list[Any]) -> dict[str, Any] | None:
        digest = read_data(_param(params, 0), "block hash", 32)
        try:
            header = self._chain.header_by_hash(digest)
        except Unknown:
            return None
        return shown.block_shown(self._chain.block(header), _param(params, 1) is True)

    def _block_receipts(self, params: list[Any]) -> list[dict[str, Any]] | None:
        try:
            header = self._header(_param(params, 0))
        except Unknown:
            return None
        return [shown.receipt_shown(mined) for mined in self._chain.receipts(header)]

    def _transaction(self, params: list[Any]) -> dict[str, Any] | None:
        try:
            mined = self._chain.mined(read_data(_param(params, 0), "transaction hash", 32))
        except Unknown:
            return None
        return shown.transaction_shown(mined.block.header, mined.index, mined.transaction)

    def _receipt(self, params: list[Any]) -> dict[str, Any] | None:
        try:
            mined = self._chain.mined(read_data(_param(params, 0), "transaction hash", 32))
        except Unknown:
            return None
        return shown.receipt_shown(mined)

    def _logs(self, params: list[Any]) -> list[dict[str, Any]]:
        wanted = _param(params, 0)
        if not isinstance(wanted, dict):
            raise WordError("filter: expected an object")
        if "blockHash" in wanted:
            header = self._header({"blockHash": wanted["blockHash"]})
            return find_logs(self._chain, wanted, header.block_number, header.block_number)
        first = self._header(wanted.get("fromBlock")).block_number
        return find_logs(self._chain, wanted, first, self._header(wanted.get("toBlock")).block_number)

    def _header(self, word: Any) -> BlockHeaderAPI:
        """That of a block named by a tag, a number or, EIP-1898, an object. Raises Unknown, WordError."""
        if word is None or (isinstance(word, str) and word in _NEWEST):
            return self._chain.head
        if word == "earliest":
            return self._chain.header(0)
        if isinstance(word, dict) and "blockHash" in word:
            return self._chain.header_by_hash(read_data(word["blockHash"], "block hash", 32))
        if isinstance(word, dict):
            word = word.get("blockNumber")
        number = read_quantity(word, "block")
        if number > self._chain.head.block_number:
            raise Unknown(f"there is no block {number}")
        return self._chain.header(number)


def _param(params: list[Any], index: int) -> Any:
    """Parameter `index`, None when it was left out."""
    return params[index] if index < len(params) else None


def _call(word: Any) -> Call:
    if not isinstance(word, dict):
        raise WordError("transaction: expected an object")
    calldata = word.get("input", word.get("data"))
    sender, to, gas, ether = (word.get(name) for name in ("from", "to", "gas", "value"))
    return Call(
        sender=_ZERO_ADDRESS if sender is None else read_address(sender, "from"),
        to=b"" if to is None else read_address(to, "to"),
        data=b"" if calldata is None else read_data(calldata, "data"),
        value=0 if ether is None else read_quantity(ether, "value"),
        gas=None if gas is None else read_quantity(gas, "gas"),
    )
