"""Payloads and results: named by hash, off the ledger, moved in chunks (PROTOCOL §3)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import JobId, PeerId, PutBlob
from mesh_core.identity.statement import digest
from mesh_core.wire.messages import BlobChunk, FetchBlob

INLINE_BYTES_MAX = 64 << 10
"""Blobs up to this size ride inside the message that needs them."""

RECENT_BYTES_MAX = 8 << 20
"""Copies kept in memory although the store has them: what is being worked on is read several times."""

_RETRY_S = 0.25


@dataclass(slots=True)
class _Fetch:
    """A blob on its way. `sources` are asked in turn; `then` are told when it is here, one per waiter."""

    sources: list[PeerId]
    data: bytearray = field(default_factory=bytearray)
    total: int | None = None
    turn: int = 0
    then: dict[Hashable, Callable[[float], None]] = field(default_factory=dict)


class Blobs:
    """The blobs of one node: new ones in memory until they are durable, the rest through `durable`.

    `durable` is a live read-only view of the store.
    """

    def __init__(self, context: Context, durable: Mapping[bytes, bytes]) -> None:
        self._context = context
        self._durable = durable
        self._recent: OrderedDict[bytes, bytes] = OrderedDict()
        self._recent_bytes = 0
        self._fetches: dict[bytes, _Fetch] = {}

    def get(self, blob: bytes) -> bytes | None:
        """The blob, or None."""
        held = self._recent.get(blob)
        return held if held is not None else self._durable.get(blob)

    def __contains__(self, blob: bytes) -> bool:
        return blob in self._recent or blob in self._durable

    def put(self, data: bytes) -> bytes:
        """Keep a blob (durable before anything sent later); returns its hash."""
        name = digest(data)
        if name not in self:
            self._recent[name] = data
            self._recent_bytes += len(data)
            self._context.outbox.write(PutBlob(name, data))
            self._let_go()
        return name

    def _let_go(self) -> None:
        """Keep the newest copies in memory and, whatever their size, those the store does not show yet."""
        while self._recent_bytes > RECENT_BYTES_MAX and next(iter(self._recent)) in self._durable:
            _, oldest = self._recent.popitem(last=False)
            self._recent_bytes -= len(oldest)

    def fetch(
        self,
        now: float,
        blob: bytes,
        sources: Iterable[PeerId],
        waiter: Hashable,
        then: Callable[[float], None],
    ) -> None:
        """Get a blob from any of `sources` and call `then` once it is held; asked again until it comes.

        A `waiter` that waits already is called once, with its newest `then`.
        """
        if blob in self:
            then(now)
            return
        fetch = self._fetches.get(blob)
        if fetch is None:
            if len(self._fetches) >= limit("fetches_max"):
                self._context.dropped["fetch_without_room"] += 1
                return
            fetch = self._fetches[blob] = _Fetch([])
        fetch.sources.extend(
            peer for peer in sources if peer != self._context.me and peer not in fetch.sources
        )
        fetch.then[waiter] = then
        if ("blob", blob) not in self._context.timers:
            self._ask(now, blob, fetch)

    def settled(self, job: JobId) -> None:
        """Nobody has to wait any more for what only an undecided job needed; waiters are (what for, job, …)."""
        for blob, fetch in list(self._fetches.items()):
            fetch.then = {
                waiter: then
                for waiter, then in fetch.then.items()
                if not (isinstance(waiter, tuple) and waiter[1] == job)
            }
            if not fetch.then:
                self._abandon(blob)

    def _abandon(self, blob: bytes) -> None:
        self._fetches.pop(blob, None)
        self._context.timers.clear(("blob", blob))

    def fire(self, now: float, key: tuple[Hashable, ...]) -> None:
        """A request has gone unanswered: ask the next source."""
        blob = key[1]
        assert isinstance(blob, bytes)
        fetch = self._fetches.get(blob)
        if fetch is not None:
            fetch.turn += 1
            self._ask(now, blob, fetch)

    def on_fetch(self, sender: PeerId, message: FetchBlob) -> None:
        """Serve a chunk."""
        data = self.get(message.hash)
        if data is None or not 0 <= message.offset < len(data):
            return
        chunk = data[message.offset : message.offset + limit("blob_chunk_bytes")]
        self._context.send(sender, BlobChunk(message.hash, message.offset, len(data), chunk))

    def on_chunk(self, now: float, sender: PeerId, message: BlobChunk) -> None:
        """Take the chunk that comes next; anything else is dropped."""
        fetch = self._fetches.get(message.hash)
        if fetch is None or sender not in fetch.sources or message.offset != len(fetch.data):
            return
        if not 0 < message.total <= limit("blob_bytes_max") or not message.data:
            return
        fetch.data += message.data
        if len(fetch.data) < message.total:
            self._ask(now, message.hash, fetch)
            return
        data = bytes(fetch.data)
        if digest(data) != message.hash:
            fetch.data.clear()
            self._context.dropped["blob_altered"] += 1
            return
        then = fetch.then
        self._abandon(message.hash)
        self.put(data)
        for callback in then.values():
            callback(now)

    def _ask(self, now: float, blob: bytes, fetch: _Fetch) -> None:
        self._context.timers.set(("blob", blob), now + _RETRY_S)
        if fetch.sources:
            source = fetch.sources[fetch.turn % len(fetch.sources)]
            self._context.send(source, FetchBlob(blob, len(fetch.data)))
