"""Blocks, transactions, receipts and logs as JSON-RPC shows them."""

from __future__ import annotations

from typing import Any

import rlp
from eth._utils.address import generate_contract_address
from eth.abc import BlockAPI, BlockHeaderAPI, SignedTransactionAPI

from mesh_core.chain.local.chain import Mined, base_fee
from mesh_core.chain.local.words import address, data, quantity

_DYNAMIC_FEE_TYPE = 2
_SET_CODE_TYPE = 4


def block_shown(block: BlockAPI, whole: bool) -> dict[str, Any]:
    """A block; `whole` shows its transactions, not only their hashes."""
    transactions: list[Any] = [
        transaction_shown(block.header, index, one) if whole else data(one.hash)
        for index, one in enumerate(block.transactions)
    ]
    header: Any = block.header  # its type knows nothing of the newest fork's fields
    return {
        "number": quantity(header.block_number),
        "hash": data(header.hash),
        "parentHash": data(header.parent_hash),
        "nonce": data(header.nonce),
        "sha3Uncles": data(header.uncles_hash),
        "logsBloom": data(header.bloom.to_bytes(256, "big")),
        "transactionsRoot": data(header.transaction_root),
        "stateRoot": data(header.state_root),
        "receiptsRoot": data(header.receipt_root),
        "miner": address(header.coinbase),
        "difficulty": quantity(header.difficulty),
        "totalDifficulty": quantity(0),
        "mixHash": data(header.mix_hash),
        "extraData": data(header.extra_data),
        "size": quantity(len(rlp.encode(block))),
        "gasLimit": quantity(header.gas_limit),
        "gasUsed": quantity(header.gas_used),
        "timestamp": quantity(header.timestamp),
        "baseFeePerGas": quantity(header.base_fee_per_gas),
        "withdrawals": [],
        "withdrawalsRoot": data(header.withdrawals_root),
        "blobGasUsed": quantity(header.blob_gas_used),
        "excessBlobGas": quantity(header.excess_blob_gas),
        "parentBeaconBlockRoot": data(header.parent_beacon_block_root),
        "requestsHash": data(header.requests_hash),
        "transactions": transactions,
        "uncles": [],
    }


def transaction_shown(
    header: BlockHeaderAPI, index: int, transaction: SignedTransactionAPI
) -> dict[str, Any]:
    """A transaction that stands in the block of `header`."""
    kind = _kind(transaction)
    shown = {
        "type": quantity(kind),
        "hash": data(transaction.hash),
        "nonce": quantity(transaction.nonce),
        "blockHash": data(header.hash),
        "blockNumber": quantity(header.block_number),
        "transactionIndex": quantity(index),
        "from": address(transaction.sender),
        "to": address(transaction.to) if transaction.to else None,
        "value": quantity(transaction.value),
        "gas": quantity(transaction.gas),
        "gasPrice": quantity(_gas_price(header, transaction)),
        "input": data(transaction.data),
        "r": quantity(transaction.r),
        "s": quantity(transaction.s),
    }
    if not kind:
        return {**shown, "v": quantity(transaction.v)}  # type: ignore[attr-defined]
    shown["v"] = shown["yParity"] = quantity(transaction.y_parity)
    shown["chainId"] = quantity(transaction.chain_id or 0)
    listed = [
        {"address": address(one), "storageKeys": [data(slot.to_bytes(32, "big")) for slot in slots]}
        for one, slots in transaction.access_list
    ]
    if kind >= _DYNAMIC_FEE_TYPE:
        shown["maxFeePerGas"] = quantity(transaction.max_fee_per_gas)
        shown["maxPriorityFeePerGas"] = quantity(transaction.max_priority_fee_per_gas)
    return {**shown, "accessList": listed, **({"authorizationList": []} if kind == _SET_CODE_TYPE else {})}


def receipt_shown(mined: Mined) -> dict[str, Any]:
    """What became of a transaction."""
    header, transaction, receipt = mined.block.header, mined.transaction, mined.receipt
    created = (
        None if transaction.to else address(generate_contract_address(transaction.sender, transaction.nonce))
    )
    return {
        "type": quantity(_kind(transaction)),
        "status": quantity(int.from_bytes(receipt.state_root, "big")),
        "transactionHash": data(transaction.hash),
        "transactionIndex": quantity(mined.index),
        "blockHash": data(header.hash),
        "blockNumber": quantity(header.block_number),
        "from": address(transaction.sender),
        "to": address(transaction.to) if transaction.to else None,
        "contractAddress": created,
        "cumulativeGasUsed": quantity(receipt.gas_used),
        "gasUsed": quantity(receipt.gas_used - mined.gas_before),
        "effectiveGasPrice": quantity(_gas_price(header, transaction)),
        "logs": logs_shown(mined),
        "logsBloom": data(receipt.bloom.to_bytes(256, "big")),
    }


def logs_shown(mined: Mined) -> list[dict[str, Any]]:
    """What its contracts have told."""
    header = mined.block.header
    return [
        {
            "address": address(log.address),
            "topics": [data(topic.to_bytes(32, "big")) for topic in log.topics],
            "data": data(log.data),
            "blockNumber": quantity(header.block_number),
            "blockHash": data(header.hash),
            "transactionHash": data(mined.transaction.hash),
            "transactionIndex": quantity(mined.index),
            "logIndex": quantity(mined.logs_before + index),
            "removed": False,
        }
        for index, log in enumerate(mined.receipt.logs)
    ]


def _kind(transaction: SignedTransactionAPI) -> int:
    return transaction.type_id or 0


def _gas_price(header: BlockHeaderAPI, transaction: SignedTransactionAPI) -> int:
    most = transaction.max_fee_per_gas
    return min(most, base_fee(header) + transaction.max_priority_fee_per_gas)
