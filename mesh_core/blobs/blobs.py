"""Payloads and results: named by hash, off the ledger, moved in chunks."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import DropBlob, JobId, PeerId, PutBlob
from mesh_core.identity.statement import digest
from mesh_core.wire.messages import BlobChunk, FetchBlob

INLINE_BYTES_MAX = 64 << 10
"""Blobs up to this size ride inside the message that needs them."""

RECENT_BYTES_MAX = 8 << 20
"""Copies kept in memory although the store has them: what is being worked on is read several times."""

_DROPPED_KEPT = 4096
"""Names of blobs that were dropped: by the time so many others were, the store has followed."""

_RETRY_S = 0.25
_RETRY_DOUBLINGS = 4
"""How often the wait doubles, once per round of silent sources: those far away must be able to answer in their turn."""


class Need(Protocol):
    """What a blob is needed for: a frozen value, equal to others that ask for the same. Each kind has one machine that
    goes on when the blob is here; the node knows which."""

    @property
    def job(self) -> JobId:
        """The job, or what has the place of one, that ends the need when it is settled."""


@dataclass(slots=True)
class _Fetch:
    """A blob that is to come. `sources` are asked in turn, `asked` now; `needs` maps each need to its newest form;
    `unanswered` counts requests in a row, `silent` those since the last chunk. `givers` sent what has come; `unmixed`
    once that came to nothing or was altered: then each source is tried alone, and the `liars` are found. Sources that say
    that it is larger than `most` bytes are `too_large` and not asked."""

    sources: list[PeerId] = field(default_factory=list)
    needs: dict[Need, Need] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)
    total: int = 0
    turn: int = 0
    asked: PeerId | None = None
    unanswered: int = 0
    silent: int = 0
    givers: set[PeerId] = field(default_factory=set)
    unmixed: bool = False
    liars: set[PeerId] = field(default_factory=set)
    most: int = 0
    too_large: list[PeerId] = field(default_factory=list)

    def may_take(self, most: int) -> None:
        """Somebody needs the blob if it has no more than so many bytes."""
        if most > self.most:
            self.most = most
            self.sources += self.too_large
            self.too_large.clear()

    def is_too_large(self, sender: PeerId) -> None:
        """A source says so: it may lie, others are asked."""
        self.sources.remove(sender)
        self.too_large.append(sender)
        self.start_over()

    def start_over(self) -> None:
        """Let go of what has come."""
        self.data.clear()
        self.givers.clear()

    def was_altered(self) -> None:
        """What has come is not the blob: who sent all of it is not asked again."""
        if len(self.givers) == 1:
            self.liars |= self.givers
            self.sources = [peer for peer in self.sources if peer not in self.liars]
        else:
            self.unmixed = True
        self.start_over()


class Blobs:
    """The blobs of one node: new ones in memory until they are durable, the rest through `durable`.

    `durable` is a live read-only view of the store. Every need is kept until its blob is here or its job is decided;
    `fetches_max` blobs are asked for at once, the others wait in line: first those that nobody was asked for yet or
    that have come on, behind them those that no source has answered for.
    """

    def __init__(
        self,
        context: Context,
        durable: Mapping[bytes, bytes],
        is_dead: Callable[[PeerId], bool],
        needed: Callable[[Collection[bytes]], set[bytes]],
    ) -> None:
        """`needed` tells which of some blobs anything on this node goes by."""
        self._context = context
        self._durable = durable
        self._is_dead = is_dead
        self._needed = needed
        self._recent: OrderedDict[bytes, bytes] = OrderedDict()
        self._recent_bytes = 0
        self._dropped: OrderedDict[bytes, None] = OrderedDict()
        self._fetches: dict[bytes, _Fetch] = {}
        self._of_job: dict[JobId, dict[bytes, None]] = {}
        self._asked: dict[bytes, None] = {}
        self._fresh: OrderedDict[bytes, None] = OrderedDict()
        self._stalled: OrderedDict[bytes, None] = OrderedDict()
        self._here: deque[Need] = deque()
        self._serving: tuple[bytes, bytes] = (b"", b"")
        self._served_at = 0.0
        self._served_bytes = 0

    def __len__(self) -> int:
        """Blobs that are to come."""
        return len(self._fetches)

    def get(self, blob: bytes) -> bytes | None:
        """The blob, or None."""
        held = self._recent.get(blob)
        return held if held is not None or blob in self._dropped else self._durable.get(blob)

    def __contains__(self, blob: bytes) -> bool:
        return blob in self._recent or (blob not in self._dropped and blob in self._durable)

    def put(self, data: bytes) -> bytes:
        """Keep a blob (durable before anything sent later); returns its hash."""
        name = digest(data)
        if name not in self:
            self._dropped.pop(name, None)
            self._recent[name] = data
            self._recent_bytes += len(data)
            self._context.outbox.write(PutBlob(name, data))
            self._let_go()
            self._arrived(name)
        return name

    def drop(self, names: Iterable[bytes]) -> None:
        """Forget blobs, here and in the store, but for those that are needed: whoever lets go of one cannot know what else
        goes by that name. Anybody may give a payload or a result the name of anything."""
        held = [name for name in names if name in self]
        needed = self._needed(held) if held else set()
        for name in held:
            if name not in needed:
                self._drop(name)

    def _drop(self, blob: bytes) -> None:
        held = self._recent.pop(blob, None)
        if held is not None:
            self._recent_bytes -= len(held)
        if self._serving[0] == blob:
            self._serving = (b"", b"")
        self._dropped[blob] = None  # the store may show it a little longer
        if len(self._dropped) > _DROPPED_KEPT:
            self._dropped.popitem(last=False)
        self._context.outbox.write(DropBlob(blob))

    def _let_go(self) -> None:
        """Keep the newest copies in memory and, whatever their size, those the store does not show yet."""
        while self._recent_bytes > RECENT_BYTES_MAX and next(iter(self._recent)) in self._durable:
            _, oldest = self._recent.popitem(last=False)
            self._recent_bytes -= len(oldest)

    # -------------------------------------------------------------------------------------------- needs

    def want(
        self, now: float, blob: bytes, sources: Iterable[PeerId], need: Need, most: int | None = None
    ) -> None:
        """Get a blob of no more than `most` bytes, as many as a blob may have by default, from any of `sources`; `here`
        gives the need once it is held. Asked for again until it comes."""
        if blob in self:
            self._here.append(need)
            return
        fetch = self._fetches.setdefault(blob, _Fetch())
        fetch.may_take(most if most is not None else limit("blob_bytes_max"))
        known = {self._context.me, *fetch.sources, *fetch.liars, *fetch.too_large}
        new = [peer for peer in sources if peer not in known]
        fetch.sources += new
        fetch.needs.pop(need, None)
        fetch.needs[need] = need
        self._of_job.setdefault(need.job, {})[blob] = None
        if blob not in self._asked and (new or blob not in self._stalled):
            self._stalled.pop(blob, None)
            self._fresh[blob] = None
        self._ask_more(now)

    def here(self) -> Iterator[Need]:
        """Take out the needs whose blobs are held, oldest first."""
        while self._here:
            yield self._here.popleft()

    def received(self, blob: bytes) -> int:
        """How many bytes of a blob that is to come have arrived."""
        fetch = self._fetches.get(blob)
        return len(fetch.data) if fetch is not None else 0

    def settled(self, job: JobId) -> None:
        """Nobody has to wait any more for what only an undecided job needed."""
        for blob in list(self._of_job.get(job, ())):
            self.give_up(job, blob)

    def give_up(self, job: JobId, blob: bytes) -> None:
        """A job does not need a blob any more; nothing happens when it is not on its way."""
        wanted = self._of_job.get(job, {})
        if blob not in wanted:
            return
        del wanted[blob]
        if not wanted:
            del self._of_job[job]
        fetch = self._fetches[blob]
        for need in [need for need in fetch.needs if need.job == job]:
            del fetch.needs[need]
        if not fetch.needs:
            self._forget(blob)

    def _arrived(self, blob: bytes) -> None:
        if blob not in self._fetches:
            return
        needs = self._fetches[blob].needs
        self._forget(blob)
        for job in dict.fromkeys(need.job for need in needs):
            del self._of_job[job][blob]
            if not self._of_job[job]:
                del self._of_job[job]
        self._here.extend(needs.values())

    def _forget(self, blob: bytes) -> None:
        for queue in (self._fetches, self._asked, self._fresh, self._stalled):
            queue.pop(blob, None)
        self._context.timers.clear(("blob", blob))
        self._ask_more(self._context.now)

    # ----------------------------------------------------------------------------------------- fetching

    def fire(self, now: float, key: tuple[Hashable, ...]) -> None:
        """A request has gone unanswered: ask the next source, or let another blob have the turn."""
        blob = key[1]
        assert isinstance(blob, bytes)
        fetch = self._fetches.get(blob)
        if fetch is None:
            return
        fetch.turn += 1
        fetch.unanswered += 1
        fetch.silent += 1
        if fetch.silent >= len(fetch.sources) > 1:
            # What one of them began, none goes on with: it may be no part of the blob.
            fetch.unmixed = True
            fetch.start_over()
        others_wait = self._fresh or self._stalled
        if fetch.unanswered >= len(fetch.sources) and others_wait:
            # What has come of it goes too: memory is for those whose turn it is.
            fetch.start_over()
            fetch.asked = None
            del self._asked[blob]
            self._stalled[blob] = None
            self._ask_more(now)
        else:
            self._ask(now, blob, fetch)

    def _ask_more(self, now: float) -> None:
        while len(self._asked) < limit("fetches_max") and (line := self._fresh or self._stalled):
            blob, _ = line.popitem(last=False)
            self._asked[blob] = None
            fetch = self._fetches[blob]
            fetch.unanswered = 0
            self._ask(now, blob, fetch)

    def _ask(self, now: float, blob: bytes, fetch: _Fetch) -> None:
        """Ask the next source in turn, those that seem dead last."""
        rounds = fetch.silent // max(1, len(fetch.sources))
        self._context.timers.set(("blob", blob), now + _RETRY_S * 2 ** min(rounds, _RETRY_DOUBLINGS))
        fetch.asked = None
        if fetch.sources:
            order = sorted(fetch.sources, key=self._is_dead)
            fetch.asked = order[fetch.turn % len(order)]
            if fetch.unmixed and fetch.asked not in fetch.givers:
                fetch.start_over()
            self._context.send(fetch.asked, FetchBlob(blob, len(fetch.data)))

    # ----------------------------------------------------------------------------------------- messages

    def on_fetch(self, now: float, sender: PeerId, message: FetchBlob) -> None:
        """Serve a chunk, unless the frame has asked for too much already: reading a blob costs as much as sending it."""
        if self._served_at != now:
            self._served_at, self._served_bytes = now, 0
        if self._served_bytes >= limit("served_bytes_max"):
            self._context.dropped["asked_for_too_much"] += 1
            return
        data = self._to_serve(message.hash)
        if 0 <= message.offset < len(data):
            chunk = data[message.offset : message.offset + limit("blob_chunk_bytes")]
            self._served_bytes += len(chunk)
            self._context.send(sender, BlobChunk(message.hash, message.offset, len(data), chunk))

    def _to_serve(self, blob: bytes) -> bytes:
        """The blob, empty when it is not here. The last one stays at hand: it is asked for chunk by chunk."""
        name, data = self._serving
        if name != blob:
            data = self.get(blob) or b""
            self._served_bytes += len(data)
            self._serving = (blob, data) if data else (b"", b"")
        return data

    def on_chunk(self, now: float, sender: PeerId, message: BlobChunk) -> None:
        """Take the chunk that was asked for, or a whole blob from any of its sources; anything else changes nothing."""
        fetch = self._fetches.get(message.hash)
        if fetch is None or sender not in fetch.sources:
            return
        if sender == fetch.asked and message.total > fetch.most:
            self._context.dropped["blob_too_large"] += 1
            fetch.is_too_large(sender)
            self._ask(now, message.hash, fetch)
        elif sender == fetch.asked and _answers(fetch, message):
            self._take(now, sender, fetch, message)
        elif _is_whole(message):
            self.put(message.data)  # late, or its turn has not come: it needs no assembly

    def _take(self, now: float, sender: PeerId, fetch: _Fetch, message: BlobChunk) -> None:
        del self._asked[message.hash]
        self._make_room(len(fetch.data) + len(message.data))
        self._asked[message.hash] = None  # the last to start over when another needs room
        fetch.data += message.data
        fetch.total = message.total
        fetch.givers.add(sender)
        fetch.silent = 0
        if len(fetch.data) < fetch.total:
            fetch.unanswered = 0
        elif digest(data := bytes(fetch.data)) == message.hash:
            self.put(data)
            return
        else:
            fetch.was_altered()
            self._context.dropped["blob_altered"] += 1
        self._ask(now, message.hash, fetch)

    def _make_room(self, size: int) -> None:
        """Let go of what has come of other blobs, longest without progress first, so that `size` bytes fit in."""
        others = [self._fetches[blob] for blob in self._asked]
        held = size + sum(len(other.data) for other in others)
        for other in others:
            if held <= limit("fetched_bytes_max"):
                return
            held -= len(other.data)
            other.start_over()


def _answers(fetch: _Fetch, chunk: BlobChunk) -> bool:
    """Whether a chunk is the one that comes next, of the size that every holder cuts: crumbs would never come to an end."""
    left = chunk.total - chunk.offset
    return (
        chunk.offset == len(fetch.data)
        and chunk.total > 0
        and chunk.total == (fetch.total if fetch.data else chunk.total)
        and min(left, limit("blob_chunk_bytes")) <= len(chunk.data) <= left
        and left > 0
    )


def _is_whole(chunk: BlobChunk) -> bool:
    """Whether a chunk is all of its blob."""
    return len(chunk.data) <= limit("blob_chunk_bytes") and digest(chunk.data) == chunk.hash
