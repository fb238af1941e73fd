"""The chain itself: an EVM that makes a block of every transaction, at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth.abc import BlockAPI, BlockHeaderAPI, ComputationAPI, ReceiptAPI, SignedTransactionAPI, StateAPI
from eth.chains.base import MiningChain
from eth.db.atomic import AtomicDB
from eth.exceptions import (
    BlockNotFound,
    CanonicalHeadNotFound,
    HeaderNotFound,
    OutOfGas,
    Revert,
    TransactionNotFound,
    VMError,
)
from eth.typing import AccountDetails, HeaderParams
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.state import PragueState
from eth.vm.interrupt import EVMMissingData
from eth.vm.spoof import SpoofTransaction
from eth_abi import decode
from eth_abi.exceptions import DecodingError
from eth_typing import Address, BlockNumber, Hash32
from eth_utils import ValidationError
from rlp.exceptions import RLPException

from mesh_core.chain.local.genesis import BASE_FEE_WEI, CHAIN_ID, GAS_LIMIT, fingerprint, genesis_accounts
from mesh_core.chain.local.store import Damaged, Store
from mesh_core.chain.recursion import back_to_usual, deep

back_to_usual()

CALL_GAS_MAX = 5_000_000
"""What a call may burn that nobody pays for: some seconds of this machine at the worst."""

STALE_S = 3600
"""A head that is older is followed by an empty block: clients take a chain that stands still for one out of sync."""

_GAS_TOLERANCE = 0.02
_LEGACY_FIRST_BYTE = 0xC0
_BLOB_TYPE = 3
_PRECOMPILES_LAST = 5
"""ecrecover, SHA-256, RIPEMD-160, identity and modexp are kept."""

_ERROR_STRING = bytes.fromhex("08c379a0")


class Refused(Exception):
    """A transaction that the chain does not take; the message is one line."""


class Reverted(Exception):
    """A call that the contract refused, with what it said, or that failed otherwise."""

    def __init__(self, message: str, output: bytes = b"") -> None:
        super().__init__(message)
        self.output = output


class Unknown(Exception):
    """There is no such block or transaction."""


@dataclass(frozen=True)
class Call:
    """A transaction that is only tried: nobody signed it."""

    sender: bytes
    to: bytes
    data: bytes
    value: int = 0
    gas: int | None = None


@dataclass(frozen=True)
class Mined:
    """A transaction and where it stands. `gas_before` was used by those before it in its block."""

    block: BlockAPI
    index: int
    transaction: SignedTransactionAPI
    receipt: ReceiptAPI
    gas_before: int
    logs_before: int


class _Computation(PragueComputation):
    """Without the newer precompiled contracts: pairings and BLAKE2 take this EVM seconds for gas that costs next to nothing,
    and names need none of them."""

    _precompiles = {  # noqa: RUF012 - as the class above has it
        address: run
        for address, run in PragueComputation.get_precompiles().items()
        if int.from_bytes(address, "big") <= _PRECOMPILES_LAST
    }


class _State(PragueState):
    computation_class = _Computation


class _Machine(PragueVM):
    _state_class = _State


class _Chain(MiningChain):
    chain_id = CHAIN_ID
    vm_configuration = ((BlockNumber(0), _Machine),)

    now: Callable[[], float] = time.time

    def create_header_from_parent(
        self, parent_header: BlockHeaderAPI, **header_params: HeaderParams
    ) -> BlockHeaderAPI:
        header_params["gas_limit"] = parent_header.gas_limit
        # Each is later than the one before: after a burst of transactions the chain is ahead of the clock for a while.
        header_params["timestamp"] = max(parent_header.timestamp + 1, int(self.now()))
        return super().create_header_from_parent(parent_header, **header_params)


class LocalChain:
    """One chain, kept in the file `path`, whose genesis gives everything to the address `root`. Not for several threads at
    a time. Raises Damaged for a file that cannot be gone on with."""

    def __init__(self, path: Path, root: bytes, now: Callable[[], float] = time.time) -> None:
        self._store = Store(path, fingerprint(root))
        self._now = now
        try:
            self._chain = self._opened(root)
        except BaseException:
            self._store.close()
            raise
        self._chain.now = now

    def _opened(self, root: bytes) -> _Chain:
        database = AtomicDB(self._store)
        try:
            chain = _Chain(database)
            chain.get_block_by_header(chain.get_canonical_head())
            for address, account in genesis_accounts(root).items():
                if account.code and chain.get_vm().state.get_code(Address(address)) != account.code:
                    raise Damaged(f"the contract at {address.hex()} is another one")
        except CanonicalHeadNotFound:
            return self._begun(database, root)
        except (KeyError, HeaderNotFound, BlockNotFound, EVMMissingData, RLPException) as error:
            raise Damaged(f"part of it is missing: {type(error).__name__}") from error
        return chain

    def _begun(self, database: AtomicDB, root: bytes) -> _Chain:
        state = {
            Address(address): AccountDetails(
                balance=account.balance, nonce=account.nonce, code=account.code, storage=account.storage
            )
            for address, account in genesis_accounts(root).items()
        }
        first: dict[str, HeaderParams] = {
            "difficulty": 0,
            "gas_limit": GAS_LIMIT,
            "base_fee_per_gas": BASE_FEE_WEI,
            "timestamp": int(self._now()),
        }
        with self._store.block():
            _Chain.from_genesis(database, first, state)
        return _Chain(database)

    def close(self) -> None:
        """Release the file."""
        self._store.close()

    # --------------------------------------------------------------------------------------------- reading

    @property
    def head(self) -> BlockHeaderAPI:
        """The newest block's header."""
        return self._chain.get_canonical_head()

    def header(self, number: int) -> BlockHeaderAPI:
        """That of block `number`. Raises Unknown."""
        try:
            return self._chain.get_canonical_block_header_by_number(BlockNumber(number))
        except HeaderNotFound:
            raise Unknown(f"there is no block {number}") from None

    def header_by_hash(self, digest: bytes) -> BlockHeaderAPI:
        """That of the block with this hash. Raises Unknown."""
        try:
            return self._chain.get_block_header_by_hash(Hash32(digest))
        except HeaderNotFound:
            raise Unknown(f"there is no block 0x{digest.hex()}") from None

    def block(self, header: BlockHeaderAPI) -> BlockAPI:
        """The whole block."""
        return self._chain.get_block_by_header(header)

    def receipts(self, header: BlockHeaderAPI) -> list[Mined]:
        """Its transactions with their receipts, in order."""
        block = self.block(header)
        found: list[Mined] = []
        gas = logs = 0
        receipts = block.get_receipts(self._chain.chaindb)
        for index, (transaction, receipt) in enumerate(zip(block.transactions, receipts, strict=True)):
            found.append(Mined(block, index, transaction, receipt, gas, logs))
            gas, logs = receipt.gas_used, logs + len(receipt.logs)
        return found

    def mined(self, digest: bytes) -> Mined:
        """The transaction with this hash. Raises Unknown."""
        try:
            number, index = self._chain.get_canonical_transaction_index(Hash32(digest))
        except TransactionNotFound:
            raise Unknown(f"there is no transaction 0x{digest.hex()}") from None
        return self.receipts(self.header(number))[index]

    def state(self, header: BlockHeaderAPI) -> StateAPI:
        """Accounts and contracts as they were after that block."""
        return self._chain.get_vm(header).state

    # --------------------------------------------------------------------------------------------- running

    def freshen(self) -> None:
        """Add an empty block when the newest one is old."""
        if self._now() - self.head.timestamp > STALE_S:
            self._mine([])

    def send(self, raw: bytes) -> bytes:
        """Take a signed transaction into a block of its own; returns its hash. One that is there already is only named.

        Raises Refused; a transaction that reverts is taken, and its receipt says so.
        """
        transaction = self._decoded(raw)
        try:
            self._chain.get_canonical_transaction_index(transaction.hash)
        except TransactionNotFound:
            self._check(transaction)
            self._mine([transaction])
        return bytes(transaction.hash)

    def _decoded(self, raw: bytes) -> SignedTransactionAPI:
        if raw[:1] == bytes([_BLOB_TYPE]):
            raise Refused("blobs are not kept here")
        if not raw or (0x7F < raw[0] < _LEGACY_FIRST_BYTE):
            raise Refused("that is no signed transaction")
        try:
            transaction = self._chain.get_vm().get_transaction_builder().decode(raw)
            transaction.validate()
            transaction.check_signature_validity()
        except Exception as error:  # bytes of a stranger: the decoder raises whatever it stumbles over
            raise Refused(f"that is no signed transaction: {error}") from error
        return transaction

    def _check(self, transaction: SignedTransactionAPI) -> None:
        """In the words that clients of other nodes know: some look for them."""
        chain_id = transaction.chain_id
        if chain_id is not None and chain_id != CHAIN_ID:
            raise Refused(f"invalid chain id for signer: have {chain_id} want {CHAIN_ID}")
        state = self.state(self.head)
        nonce = state.get_nonce(transaction.sender)
        if transaction.nonce != nonce:
            how = "low" if transaction.nonce < nonce else "high"
            raise Refused(f"nonce too {how}: next nonce {nonce}, tx nonce {transaction.nonce}")
        cost = transaction.gas * transaction.max_fee_per_gas + transaction.value
        if state.get_balance(transaction.sender) < cost:
            have = state.get_balance(transaction.sender)
            raise Refused(f"insufficient funds for gas * price + value: have {have} want {cost}")

    def _mine(self, transactions: list[SignedTransactionAPI]) -> None:
        head = self.head
        try:
            with self._store.block(), deep():
                self._chain.mine_all(transactions, parent_header=head)
        except ValidationError as error:
            raise Refused(" ".join(str(error).split())) from error

    def call(self, call: Call, header: BlockHeaderAPI) -> bytes:
        """What a contract answers after that block; nothing is kept. Raises Reverted, Refused."""
        computation, _ = self._tried(call, header, self._gas_for(call))
        _raise_failure(computation)
        return computation.output

    def estimate(self, call: Call, header: BlockHeaderAPI) -> int:
        """Gas with which a transaction goes through, a little more than it uses. Raises Reverted, Refused."""
        most = self._gas_for(call)
        computation, intrinsic = self._tried(call, header, most)
        _raise_failure(computation)
        too_little = intrinsic + computation.get_gas_used() - 1
        enough = min(most, (too_little + 1) * 64 // 63)  # a call passes on 63 parts of 64
        while not self._goes_through(call, header, enough):
            too_little, enough = enough, min(most, enough * 2)
        while enough - too_little > enough * _GAS_TOLERANCE:
            middle = (too_little + enough) // 2
            if self._goes_through(call, header, middle):
                enough = middle
            else:
                too_little = middle
        return enough

    def _gas_for(self, call: Call) -> int:
        return min(call.gas or CALL_GAS_MAX, CALL_GAS_MAX)

    def _goes_through(self, call: Call, header: BlockHeaderAPI, gas: int) -> bool:
        try:
            return self._tried(call, header, gas)[0].is_success
        except Refused:
            return False  # less than a transaction with so much data costs

    def _tried(self, call: Call, header: BlockHeaderAPI, gas: int) -> tuple[ComputationAPI, int]:
        """The computation, and what the transaction costs before it begins."""
        vm = self._chain.get_vm(header)
        with vm.in_costless_state() as state, deep():
            transaction = vm.create_unsigned_transaction(
                nonce=state.get_nonce(Address(call.sender)),
                gas_price=0,
                gas=gas,
                to=Address(call.to),
                value=call.value,
                data=call.data,
            )
            try:
                spoofed: Any = SpoofTransaction(
                    transaction, from_=call.sender
                )  # as good as signed by the sender
                return state.costless_execute_transaction(spoofed), transaction.intrinsic_gas
            except ValidationError as error:
                raise Refused(" ".join(str(error).split())) from error


def base_fee(header: BlockHeaderAPI) -> int:
    """Wei that each gas in that block costs at least."""
    assert header.base_fee_per_gas is not None, "every block of this chain has one"
    return header.base_fee_per_gas


def _raise_failure(computation: ComputationAPI) -> None:
    if computation.is_success:
        return
    error: VMError = computation.error
    if isinstance(error, Revert):
        raise Reverted(f"execution reverted{_reason(computation.output)}", computation.output)
    if isinstance(error, OutOfGas):
        raise Refused("out of gas")
    raise Refused(" ".join(str(error).split()) or type(error).__name__)


def _reason(output: bytes) -> str:
    """What a contract said when it refused, if it is `Error(string)`."""
    if output[:4] != _ERROR_STRING:
        return ""
    try:
        (said,) = decode(["string"], output[4:])
    except DecodingError:
        return ""
    return f": {said}"
