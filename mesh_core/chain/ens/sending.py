"""Sending transactions from one account: rehearsed, priced below a cap, one after the other, and followed until they stand.

A transaction may be refused, forgotten, too cheap to be taken, or taken back by a re-organisation. What is sent is therefore
kept until it is deep enough in the chain; when it is not taken in time the same slot (nonce) is offered again for more, up to
the cap. Two transactions of one account never race: a lock holds its slots in order, also after a start that finds some of an
earlier run under way.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Literal

from eth_account import Account
from eth_keys.datatypes import PrivateKey
from eth_typing import HexStr
from eth_utils.address import to_checksum_address
from eth_utils.currency import from_wei
from web3.exceptions import TransactionNotFound
from web3.types import TxParams, TxReceipt, Wei

from mesh_core.chain.ens.calls import W3, to_text
from mesh_core.chain.ens.errors import ChainError, ChainUnavailable, Refused, TooDear
from mesh_core.chain.ens.rpc import ask, entry, number

GAS_MARGIN_PERCENT = 125
"""Of the estimate: what a transaction may use, since the state may have changed before it is taken."""

BUMP_PERCENT = 130
"""Of what was offered before; nodes want at least 110 for the same slot."""

PRIORITY_WEI = 10**9
"""Offered to whoever makes blocks where the node names no amount."""

ALREADY_THERE = ("already known", "known transaction", "nonce too low", "underpriced")
"""Words of nodes for a slot that has been offered or taken before."""

FEE_WEI_MAX = 10**15
"""A base fee above that is an invention."""

FEES_S = 6.0
"""For so long what was last told of fees is taken to be so: half the time of a block."""

POLL_FIRST_S = 0.02
POLL_MAX_S = 3.0


class Reverted(Refused):
    """A transaction was taken and came to nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be spent on one transaction, in wei; after how many seconds it is offered for more; how many blocks deep it has
    to be to stand, and for how long in all it is followed."""

    cost_wei_max: int = 10**16
    stuck_after_s: float = 60.0
    confirmations: int = 1
    give_up_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A transaction that would come to something: the gas it may use, and what it costs at most, in wei."""

    what: str
    call: TxParams
    gas: int
    cost_wei: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that stands."""

    hash: str
    block: int
    gas_used: int


@dataclass(frozen=True, slots=True)
class _Fees:
    """Offered per unit of gas, in wei."""

    most: int
    priority: int

    def bumped(self) -> _Fees:
        return _Fees(self.most * BUMP_PERCENT // 100 + 1, self.priority * BUMP_PERCENT // 100 + 1)


class Sender:
    """The account of `key` on the chain `chain_id`."""

    def __init__(self, w3: W3, chain_id: int, key: PrivateKey, limits: Limits) -> None:
        self._w3 = w3
        self._chain_id = chain_id
        self._key = key
        self._limits = limits
        self._turn = asyncio.Lock()
        self._next_slot: int | None = None
        self._priced: tuple[float, _Fees] | None = None
        self.account = key.public_key.to_canonical_address()
        self.address = to_text(self.account)

    async def balance_wei(self) -> int:
        """What it has."""
        what = f"reading the balance of {self.address}"
        return await number(what, self._w3.eth.get_balance(to_checksum_address(self.address)))

    async def rehearse(self, what: str, to: bytes, data: bytes, value_wei: int = 0) -> Rehearsed:
        """A dry run: what it would use, and what it would cost at most. Raises Refused when it would come to nothing, TooDear
        above the cap."""
        call: TxParams = {
            "from": to_checksum_address(self.account),
            "to": to_checksum_address(to),
            "data": HexStr("0x" + data.hex()),
            "value": Wei(value_wei),
        }
        gas = await number(what, self._w3.eth.estimate_gas(call)) * GAS_MARGIN_PERCENT // 100
        fees = await self._fees()
        cost_wei = gas * fees.most
        if cost_wei > self._limits.cost_wei_max:
            cost, cap = (f"{from_wei(wei, 'ether'):f}" for wei in (cost_wei, self._limits.cost_wei_max))
            raise TooDear(f"{what} may cost {cost} ether, more than the {cap} that may be spent")
        return Rehearsed(what, call, gas, cost_wei)

    async def send(self, rehearsed: Rehearsed) -> Sent:
        """Have it done, and return once it stands. It is signed for one chain and is worth nothing on another. Raises Reverted
        when it came to nothing, ChainUnavailable when it is not known what became of it."""
        async with self._turn:
            slot = self._next_slot if self._next_slot is not None else await self._free_slot()
            self._next_slot = None  # whatever becomes of this one is asked for again, unless it stands
            call = {**rehearsed.call, "gas": rehearsed.gas, "nonce": slot}
            try:
                sent = await self._follow(rehearsed.what, call, await self._fees())
            except Reverted:
                self._next_slot = slot + 1
                raise
            self._next_slot = slot + 1
            return sent

    async def _free_slot(self) -> int:
        """The next nonce, once what an earlier run has sent is taken; its first open slot when that does not move."""
        until = time.monotonic() + self._limits.stuck_after_s
        pause_s = POLL_FIRST_S
        while True:
            taken = await self._count("latest")
            if await self._count("pending") <= taken or time.monotonic() > until:
                return taken
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, POLL_MAX_S)

    async def _count(self, at: Literal["latest", "pending"]) -> int:
        account = to_checksum_address(self.address)
        what = f"counting transactions of {self.address}"
        return await number(what, self._w3.eth.get_transaction_count(account, at))

    async def _fees(self) -> _Fees:
        """Twice the base fee, which rises by an eighth a block at most, and something for whoever makes the block."""
        if self._priced is not None and time.monotonic() - self._priced[0] < FEES_S:
            return self._priced[1]
        head = await entry("asking for fees", self._w3.eth.get_block("latest"))
        try:
            priority = await number("asking for fees", self._w3.eth.max_priority_fee)
        except Refused:
            priority = PRIORITY_WEI
        fees = _Fees(2 * _wei(head.get("baseFeePerGas")) + priority, priority)
        self._priced = time.monotonic(), fees
        return fees

    async def _follow(self, what: str, call: dict[str, Any], fees: _Fees) -> Sent:
        """Offer it until it stands: anew where it was forgotten, for more where it is stuck."""
        hashes: list[bytes] = []
        began = offered = time.monotonic()
        pause_s, again = POLL_FIRST_S, True
        while True:
            if again:
                hashes.append(await self._offer(what, call, fees, hashes))
                offered, again = time.monotonic(), False
            sent = await self._standing(what, hashes)
            if sent is not None:
                return sent
            now = time.monotonic()
            if now - began > self._limits.give_up_s:
                raise ChainUnavailable(f"{what}: not taken in {self._limits.give_up_s:g} s")
            if now - offered > self._limits.stuck_after_s:
                if await self._count("latest") > call["nonce"] and await self._standing(what, hashes) is None:
                    raise ChainUnavailable(f"{what}: another transaction of {self.address} took its place")
                if call["gas"] * fees.bumped().most <= self._limits.cost_wei_max:
                    fees = fees.bumped()
                again = True
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, POLL_MAX_S)

    async def _offer(self, what: str, call: dict[str, Any], fees: _Fees, before: list[bytes]) -> bytes:
        """Sign it and hand it to the node; its hash. A node that knows it already, or has taken it, says so in its own words:
        whoever follows it sees."""
        unsigned = {name: value for name, value in call.items() if name != "from"}
        signed = Account.sign_transaction(
            {
                **unsigned,
                "chainId": self._chain_id,
                "type": 2,
                "maxFeePerGas": fees.most,
                "maxPriorityFeePerGas": fees.priority,
            },
            self._key.to_bytes(),
        )
        try:
            await ask(what, self._w3.eth.send_raw_transaction(signed.raw_transaction))
        except Refused as error:
            told = str(error).lower()
            if "nonce too low" in told and not before:
                raise ChainUnavailable(f"{what}: another transaction of {self.address} was faster") from None
            if not any(words in told for words in ALREADY_THERE):
                raise
        except ChainUnavailable:
            pass  # it may have been taken: offered again, it has the same slot
        return bytes(signed.hash)

    async def _standing(self, what: str, hashes: list[bytes]) -> Sent | None:
        """The one of `hashes` that is deep enough; None while none is. Raises Reverted."""
        for hashed in reversed(hashes):
            try:
                receipt = await self._w3.eth.get_transaction_receipt(hashed)  # type: ignore[arg-type]
                block = int(receipt["blockNumber"])
                if self._limits.confirmations > 1 and not await self._is_deep(receipt, block):
                    return None
                if receipt["status"] != 1:
                    raise Reverted(f"{what}: the transaction was taken and came to nothing")
                return Sent("0x" + hashed.hex(), block, int(receipt["gasUsed"]))
            except TransactionNotFound:
                continue
            except ChainUnavailable:
                return None
            except Reverted:
                raise
            except (ChainError, LookupError, TypeError, ValueError, AttributeError):
                return None
        return None

    async def _is_deep(self, receipt: TxReceipt, block: int) -> bool:
        """Whether enough blocks stand on the one that took it, and that one is still part of the chain."""
        if await self._w3.eth.block_number < block + self._limits.confirmations - 1:
            return False
        return (await self._w3.eth.get_block(block))["hash"] == receipt["blockHash"]


def _wei(told: object) -> int:
    """A base fee as a block tells it; none before London, or of a node that does not say."""
    return told if isinstance(told, int) and 0 <= told < FEE_WEI_MAX else 0
