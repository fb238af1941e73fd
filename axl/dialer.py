"""Keeps neighbours linked: dials whenever there is no link, backs off with jitter, wakes up on news.

One keeper per configured endpoint and one per peer in the address book. A keeper sleeps until its link is
lost or somebody speaks of its peer; only after a failed dial does it wait for a time.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Container, Coroutine
from typing import Protocol

from axl.allowance import Allowance
from axl.book import AddressBook, Entry
from axl.certificate import client_context
from axl.control import ENDPOINTS_PER_PEER_MAX, Refusal
from axl.endpoint import Endpoint
from axl.link import HANDSHAKE_TIMEOUT_S, SHUTDOWN_TIMEOUT_S, Link, LinkClosed
from axl.resolve import addresses_of

LOOK_UP_TIMEOUT_S = 10.0
DIALS_AT_ONCE_MAX = 16
DIALS_PER_S_MAX = 20
DIALS_BURST_MAX = 200
"""Neighbours say where to dial; these keep them from turning this node against somebody."""
BACK_OFF_LEAST_S = 0.1
BACK_OFF_MOST_S = 2.0
"""A refused dial costs a tenth of a millisecond, and a revived neighbour should not wait."""
PATIENT_FAILURES = 30
"""About a minute of them; then a peer that is not configured is dialled rarely: if it comes back, it will dial
this node, or a neighbour will speak of it."""
BACK_OFF_PATIENT_S = 30.0
FORGET_AFTER_FAILURES = PATIENT_FAILURES + 120
"""About another hour."""
FORGET_STRANGER_AFTER_FAILURES = 5
STEADY_AFTER_S = 2.0
"""A link lost earlier was none: the next dial waits as after a failed one."""
YIELD_S = 0.25
"""Of two nodes that hear of each other the one with the smaller key dials; the other waits this long."""

log = logging.getLogger("axl")


class Mesh(Protocol):
    """What dialling needs of the node."""

    @property
    def peer(self) -> bytes:
        """This node's key."""

    @property
    def is_full(self) -> bool:
        """Whether there is no room for further neighbours."""

    @property
    def listens(self) -> tuple[Endpoint, ...]:
        """Where this node listens."""

    @property
    def links(self) -> Container[bytes]:
        """The peers there is a link to."""

    def new_link(self, dialled: Endpoint, expected: bytes | None) -> Link:
        """The protocol for a connection this node is about to open."""

    def dial_ended(self, link: Link) -> None:
        """One attempt to open `link` is over, with success or without."""

    def stop_waiting(self, peer: bytes) -> None:
        """No endpoint of `peer` answers: whoever waits for a link to it need not any more."""


class Dialer:
    """All keepers of a node."""

    def __init__(self, mesh: Mesh, book: AddressBook) -> None:
        self._book = book
        self._caller = _Caller(mesh)
        self._configured: list[_Keeper] = []
        self._known: dict[bytes, _Keeper] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def keep_configured(self, endpoint: Endpoint) -> None:
        """Stay linked, for ever, with whoever answers at `endpoint` with the right key."""
        keeper = _Keeper(self._caller, endpoint.key, lambda: (endpoint,), None)
        self._configured.append(keeper)
        self._start(keeper.run())

    def keep_known(self, entry: Entry) -> None:
        """Dial a peer in the address book for as long as it is worth trying; there is news of it."""
        for keeper in self._keepers_of(entry.peer):
            keeper.news.set()
        if entry.peer in self._known or any(keeper.covers(entry) for keeper in self._configured):
            return
        if entry.endpoints:
            keeper = _Keeper(
                self._caller, entry.peer, lambda: entry.endpoints, lambda: self._failures_max(entry)
            )
            self._known[entry.peer] = keeper
            self._start(self._keep_until_hopeless(entry, keeper))

    def link_changed(self, peer: bytes) -> None:
        """A link to `peer` came up or was lost."""
        for keeper in self._keepers_of(peer):
            keeper.news.set()

    def is_dialling(self, peer: bytes) -> bool:
        """Whether a link to `peer` may be there in a moment."""
        return any(keeper.is_dialling for keeper in self._keepers_of(peer))

    def problem(self, peer: bytes) -> str:
        """Why the last dial to `peer` failed; empty if none did."""
        return next((keeper.problem for keeper in self._keepers_of(peer) if keeper.problem), "")

    def close(self) -> None:
        """Stop dialling."""
        for task in self._tasks:
            task.cancel()

    def _keepers_of(self, peer: bytes) -> list[_Keeper]:
        known = self._known.get(peer)
        return [keeper for keeper in self._configured if keeper.peer == peer] + ([known] if known else [])

    def _failures_max(self, entry: Entry) -> int:
        if self._book.get(entry.peer) is not entry:
            return 0
        return FORGET_AFTER_FAILURES if entry.was_linked else FORGET_STRANGER_AFTER_FAILURES

    async def _keep_until_hopeless(self, entry: Entry, keeper: _Keeper) -> None:
        await keeper.run()
        del self._known[entry.peer]
        if self._book.get(entry.peer) is entry:
            self._book.forget(entry.peer)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Keeper:
    """Keeps one neighbour linked. `peer` is its key, None as long as only its address is known.

    `failures_max` tells after how many failed dials in a row to give up; without it that is never.
    """

    def __init__(
        self,
        caller: _Caller,
        pinned: bytes | None,
        endpoints: Callable[[], tuple[Endpoint, ...]],
        failures_max: Callable[[], int] | None,
    ) -> None:
        self.peer = pinned
        self.news = asyncio.Event()
        self.is_dialling = False
        """Whether a link may be there in a moment."""
        self.problem = ""
        self._caller = caller
        self._pinned = pinned
        self._endpoints = endpoints
        self._failures_max = failures_max
        self._failures = 0
        self._logged: deque[str] = deque(maxlen=ENDPOINTS_PER_PEER_MAX)

    def covers(self, entry: Entry) -> bool:
        """Whether this one dials all that is known of a peer."""
        return self.peer == entry.peer and set(entry.endpoints) <= set(self._endpoints())

    async def run(self) -> None:
        """Dial whenever there is no link, until it is not worth it any more or the peer is this node itself."""
        yields = True
        while self.peer != self._caller.mesh.peer and not self._is_hopeless():
            self.news.clear()
            if self._is_linked():
                yields = True
                await self._while_linked()
            elif yields and self._other_dials_first():
                yields, self.is_dialling = False, True
                await self._news_within(YIELD_S)
            elif not await self._dial():
                self._failures += 1
                await self._news_within(self._back_off_s())

    def _is_linked(self) -> bool:
        return self.peer is not None and self.peer in self._caller.mesh.links

    async def _while_linked(self) -> None:
        """Sleep until the link is lost. If that was soon, it counts as a failure.

        Else two processes with the same key would take the link from each other as fast as they can.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.problem, self.is_dialling = "", False
        self._logged.clear()
        while self._is_linked():
            self.news.clear()
            await self.news.wait()
        if loop.time() - began < STEADY_AFTER_S:
            self._failures += 1
            await self._news_within(self._back_off_s())
        else:
            self._failures = 0

    def _is_hopeless(self) -> bool:
        return self._failures_max is not None and self._failures >= self._failures_max()

    def _back_off_s(self) -> float:
        """Doubling up to a bound; half to one and a half times of it, so that nodes do not dial in step."""
        if self._failures_max is not None and self._failures > PATIENT_FAILURES:
            base = BACK_OFF_PATIENT_S
        else:
            base = min(BACK_OFF_MOST_S, BACK_OFF_LEAST_S * 2.0 ** min(self._failures - 1, 10))
        return base * (0.5 + os.urandom(1)[0] / 255)

    def _other_dials_first(self) -> bool:
        mesh = self._caller.mesh
        is_configured = self._failures_max is None  # and then the other side may know nothing of this one
        return not is_configured and self.peer is not None and self.peer < mesh.peer and bool(mesh.listens)

    async def _dial(self) -> bool:
        """Try every endpoint in turn; whether one of them gave a link."""
        self.is_dialling = True
        try:
            for endpoint in self._endpoints():
                if await self._dial_each_address(endpoint):
                    return True
            return False
        finally:
            self.is_dialling = False
            if self.peer is not None:
                self._caller.mesh.stop_waiting(self.peer)

    async def _dial_each_address(self, endpoint: Endpoint) -> bool:
        try:
            async with asyncio.timeout(LOOK_UP_TIMEOUT_S):
                addresses = await addresses_of(endpoint)
        except OSError as error:
            self._note(endpoint, str(error) or "its name is not answered for")
            return False
        for address in addresses:
            if await self._dial_one(address):
                return True
        return False

    async def _dial_one(self, endpoint: Endpoint) -> bool:
        link = self._caller.mesh.new_link(endpoint, self._pinned)
        try:
            await self._caller.call(endpoint, link)
        except LinkClosed as closed:
            if not closed.is_redundant:
                self._note(endpoint, str(closed))
            return False
        except OSError as error:
            self._note(endpoint, str(error) or "no answer")
            return False
        finally:
            self._caller.mesh.dial_ended(link)
            if self._pinned is None and link.peer:
                self.peer = link.peer
        return True

    def _note(self, endpoint: Endpoint, reason: str) -> None:
        """Remember a problem; what is the same as before is not worth another line in the log."""
        self.problem = f"{endpoint}: {reason}"
        if self.problem not in self._logged:
            self._logged.append(self.problem)
            log.info("dial failed", extra={"endpoint": str(endpoint), "reason": reason})

    async def _news_within(self, seconds: float) -> None:
        """Sleep, unless something is heard of the peer before."""
        try:
            async with asyncio.timeout(seconds):
                await self.news.wait()
        except TimeoutError:
            return


class _Caller:
    """Opens connections: how many at once, how many per second, and for how long each may try."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self._context = client_context()
        self._slots = asyncio.Semaphore(DIALS_AT_ONCE_MAX)
        self._loop = asyncio.get_running_loop()
        self._allowance = Allowance(DIALS_PER_S_MAX, DIALS_BURST_MAX, self._loop.time())

    async def call(self, endpoint: Endpoint, link: Link) -> None:
        """Connect `link` to `endpoint` and see it up. Raises OSError or LinkClosed."""
        if self.mesh.is_full:
            raise LinkClosed(str(Refusal.FULL), Refusal.FULL)
        await asyncio.sleep(self._allowance.debt_s(1, self._loop.time()))
        async with self._slots, asyncio.timeout(HANDSHAKE_TIMEOUT_S):
            transport, _ = await self._loop.create_connection(
                lambda: link,
                endpoint.host,
                endpoint.port,
                ssl=self._context,
                server_hostname="",
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S,
            )
            try:
                await link.settled
            except asyncio.CancelledError:
                transport.abort()
                raise
