"""Blobs: every need is met once its blob can be had, however many others wait and whoever has gone."""

from __future__ import annotations

from random import Random

from mesh_core.blobs.blobs import Blobs
from mesh_core.checkpoint.cuts import ReadCut
from mesh_core.config import FAST, limit
from mesh_core.context import Context, Doors, NodeConfig
from mesh_core.effects import JobOptions, Send
from mesh_core.identity.statement import digest
from mesh_core.lease.keys import OpenPayload
from mesh_core.lease.voter import AcceptResult
from mesh_core.market.desk import StorePayload
from mesh_core.market.queries import OpenResult
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import statements as st
from mesh_core.wire.messages import AcceptRequest, BlobChunk, FetchBlob
from tests.unit.core.people import NETWORK, People

ME, ALICE, BOB, GHOST = b"m" * 32, b"a" * 32, b"b" * 32, b"g" * 32


class Desk:
    """One node's blobs, whose requests can be read and answered."""

    def __init__(self, dead: tuple[bytes, ...] = ()) -> None:
        announcement = st.Announcement("n", "provider", (), 0, (), (), "")
        config = NodeConfig(NETWORK, ME, FAST, announcement, True, {})
        self.context = Context(config, Doors(People().submitter.crypto, Random(1), lambda: 0))
        self.blobs = Blobs(self.context, {}, lambda peer: peer in dead, lambda names: set())

    def asked(self) -> list[tuple[bytes, bytes]]:
        """Who was asked for which blob since the last call."""
        sends = [effect for effect in self.context.outbox.take() if isinstance(effect, Send)]
        return [(one.to, one.message.hash) for one in sends if isinstance(one.message, FetchBlob)]

    def at(self, now: float) -> list[tuple[bytes, bytes]]:
        """Let time pass; who was asked meanwhile."""
        asked = self.asked()
        while (deadline := self.context.timers.next_deadline()) is not None and deadline <= now:
            self.context.now = deadline
            for key in self.context.timers.due(deadline):
                assert isinstance(key, tuple)
                self.blobs.fire(deadline, key)
            asked += self.asked()
        self.context.now = now
        return asked

    def come(self, sender: bytes, data: bytes) -> None:
        """A whole blob arrives in one chunk."""
        self.blobs.on_chunk(self.context.now, sender, BlobChunk(digest(data), 0, len(data), data))


def want(desk: Desk, number: int, *sources: bytes) -> bytes:
    """Want blob `number` for a job of that number."""
    data = b"blob %d" % number
    desk.blobs.want(desk.context.now, digest(data), sources, OpenResult(b"job %d" % number))
    return data


def test_what_is_wanted_comes_however_many_wait_for_somebody_who_is_gone() -> None:
    desk = Desk()
    for number in range(3 * limit("fetches_max")):
        want(desk, number, GHOST)
    data = want(desk, 1000, ALICE)
    assert (ALICE, digest(data)) in desk.at(1.0)
    desk.come(ALICE, data)
    assert list(desk.blobs.here()) == [OpenResult(b"job 1000")]


def test_no_more_than_so_many_are_asked_for_at_once_and_all_in_their_turn() -> None:
    desk = Desk()
    blobs = [want(desk, number, ALICE) for number in range(200)]
    first = desk.asked()
    assert len(first) == limit("fetches_max")
    for data in blobs:
        desk.come(ALICE, data)
    assert len(list(desk.blobs.here())) == limit("fetches_max") + 136
    assert len(desk.blobs) == 0
    assert len(set(first + desk.asked())) == 200


def test_one_whose_sources_are_silent_is_asked_for_again_after_the_others() -> None:
    desk = Desk()
    slow = digest(want(desk, 0, GHOST))
    for number in range(1, 2 * limit("fetches_max")):
        want(desk, number, GHOST)
    assert [blob for _, blob in desk.at(1.0)].count(slow) >= 2


def test_another_source_is_asked_when_one_is_silent_and_dead_ones_last() -> None:
    desk = Desk(dead=(GHOST,))
    want(desk, 1, GHOST, ALICE, BOB)
    assert [peer for peer, _ in desk.at(0.6)] == [ALICE, BOB, GHOST]


def test_a_blob_that_was_altered_is_asked_for_again() -> None:
    desk = Desk()
    data = want(desk, 1, ALICE, BOB)
    desk.blobs.on_chunk(0.0, ALICE, BlobChunk(digest(data), 0, len(data), b"!" * len(data)))
    assert not list(desk.blobs.here())
    assert (BOB, digest(data)) in desk.at(0.5)


def test_a_blob_that_arrives_by_another_way_meets_the_need() -> None:
    desk = Desk()
    data = want(desk, 1, GHOST)
    desk.blobs.put(data)
    assert list(desk.blobs.here()) == [OpenResult(b"job 1")]
    assert not desk.at(10.0)[1:]


def test_needs_of_a_decided_job_end_and_others_of_the_same_blob_stay() -> None:
    desk = Desk()
    data = b"shared"
    desk.blobs.want(0.0, digest(data), [ALICE], StorePayload(b"one"))
    desk.blobs.want(0.0, digest(data), [ALICE], StorePayload(b"two"))
    desk.blobs.settled(b"one")
    desk.come(ALICE, data)
    assert list(desk.blobs.here()) == [StorePayload(b"two")]
    want(desk, 1, ALICE)
    desk.blobs.settled(b"job 1")
    assert len(desk.blobs) == 0


def test_one_job_may_need_a_blob_for_several_ends() -> None:
    desk = Desk()
    data = b"payload"
    for need in (StorePayload(b"job"), OpenPayload(b"job")):
        desk.blobs.want(0.0, digest(data), [ALICE], need)
    desk.come(ALICE, data)
    assert list(desk.blobs.here()) == [StorePayload(b"job"), OpenPayload(b"job")]


def test_a_need_that_is_repeated_counts_once_in_its_newest_form() -> None:
    desk = Desk()
    data = b"result"
    for lease in ((), (b"promise",)):
        request = AcceptRequest(b"job", 1, b"", lease, b"")
        desk.blobs.want(0.0, digest(data), [ALICE], AcceptResult(b"job", ALICE, request))
    desk.come(ALICE, data)
    needs = list(desk.blobs.here())
    assert [need.request.promises for need in needs if isinstance(need, AcceptResult)] == [(b"promise",)]


def test_every_question_ends_although_its_jobs_were_decided_while_its_submitter_was_away() -> None:
    world = World(Setup(seed="away", appetite=Appetite(0.4, 0.4), credit_micro=10**12))
    world.start()
    world.run_for(2.0)
    for number in range(14):
        world.submit(OPERATOR, "why?", [0, 1, 2, 3, 4, 5], JobOptions(), f"q{number}")
    world.run_for(0.5)
    world.crash(OPERATOR)
    world.run_for(30.0)
    world.start(OPERATOR)
    world.run_for(20.0)
    node = world.hosts[OPERATOR].node
    assert node is not None
    assert len(node.queries.queries) == 14
    assert all(query.finished and not query.failed for query in node.queries.queries.values())


def test_what_has_come_of_unfinished_blobs_is_bounded_in_all() -> None:
    desk = Desk()
    size = limit("blob_bytes_max")
    blobs = [bytes([number]) * 32 for number in range(20)]
    for number, blob in enumerate(blobs):
        desk.blobs.want(0.0, blob, [ALICE], OpenResult(b"job %d" % number))
        desk.blobs.on_chunk(0.0, ALICE, BlobChunk(blob, 0, size, bytes(size - 1)))
    received = [desk.blobs.received(blob) for blob in blobs]
    assert sum(received) <= limit("fetched_bytes_max")
    assert received[-1] == size - 1, "the newest comes on, the others start over"


def test_pieces_of_a_blob_whose_turn_has_not_come_are_not_kept() -> None:
    desk = Desk()
    for number in range(limit("fetches_max") + 1):
        desk.blobs.want(0.0, b"%032d" % number, [ALICE], OpenResult(b"job %d" % number))
    waiting = b"%032d" % limit("fetches_max")
    desk.blobs.on_chunk(0.0, ALICE, BlobChunk(waiting, 0, 1 << 20, bytes(1 << 19)))
    assert desk.blobs.received(waiting) == 0


def test_a_source_that_was_not_asked_cannot_keep_a_blob_from_coming() -> None:
    desk = Desk()
    data = want(desk, 1, ALICE, GHOST, BOB)
    asked = desk.asked()
    for tick in range(1, 200):
        asked += desk.at(tick / 100)
        desk.blobs.on_chunk(desk.context.now, GHOST, BlobChunk(digest(data), 0, len(data), b"!"))
    assert (BOB, digest(data)) in asked, "its turn has come although another sends without end"
    while desk.at(desk.context.now + 0.1)[-1:] != [(BOB, digest(data))]:
        pass
    desk.come(BOB, data)
    assert list(desk.blobs.here()) == [OpenResult(b"job 1")]


def test_who_sent_all_of_an_altered_blob_is_not_asked_again() -> None:
    desk = Desk()
    data = want(desk, 1, ALICE, BOB)
    desk.blobs.on_chunk(0.0, ALICE, BlobChunk(digest(data), 0, len(data), b"!" * len(data)))
    want(desk, 1, ALICE, BOB)
    assert {peer for peer, _ in desk.at(5.0)[1:]} == {BOB}


def test_an_honest_source_is_not_blamed_for_the_first_half_of_another() -> None:
    desk = Desk()
    half = limit("blob_chunk_bytes")
    data = bytes(half) + b"x" * half
    name = digest(data)
    desk.blobs.want(0.0, name, [GHOST, BOB], OpenResult(b"job"))
    desk.asked()
    desk.blobs.on_chunk(0.0, GHOST, BlobChunk(name, 0, len(data), b"!" * half))
    assert desk.at(0.3)[-1] == (BOB, name)
    desk.blobs.on_chunk(0.3, BOB, BlobChunk(name, half, len(data), data[half:]))
    assert desk.blobs.received(name) == 0
    for tick in range(4, 100):
        for peer, _ in desk.at(tick / 10):
            if peer == BOB:
                offset = desk.blobs.received(name)
                desk.blobs.on_chunk(
                    tick / 10, BOB, BlobChunk(name, offset, len(data), data[offset : offset + half])
                )
    assert list(desk.blobs.here()) == [OpenResult(b"job")]


def test_sources_further_away_than_the_retry_takes_answer_in_their_turn() -> None:
    desk = Desk()
    half = limit("blob_chunk_bytes")
    data = bytes(2 * half)
    name = digest(data)
    desk.blobs.want(0.0, name, [ALICE, BOB], OpenResult(b"job"))
    on_the_way: list[tuple[float, bytes]] = []
    for tick in range(100):
        now = tick / 10
        on_the_way += [(now + 0.4, peer) for peer, _ in desk.at(now)]
        while on_the_way and on_the_way[0][0] <= now:
            _, peer = on_the_way.pop(0)
            offset = desk.blobs.received(name)
            desk.blobs.on_chunk(now, peer, BlobChunk(name, offset, len(data), data[offset : offset + half]))
    assert list(desk.blobs.here()) == [OpenResult(b"job")]


def test_a_first_piece_of_a_blob_that_is_too_long_does_not_keep_it_from_coming() -> None:
    desk = Desk()
    data = want(desk, 1, GHOST, BOB)
    desk.asked()
    piece = bytes(limit("blob_chunk_bytes"))
    desk.blobs.on_chunk(0.0, GHOST, BlobChunk(digest(data), 0, limit("blob_bytes_max"), piece))
    while desk.blobs.received(digest(data)):
        desk.at(desk.context.now + 0.1)
        assert desk.context.now < 5.0


class Counting(dict[bytes, bytes]):
    """A store that counts how much is read of it."""

    read_bytes = 0

    def get(self, name: bytes, default: bytes | None = None) -> bytes | None:  # type: ignore[override]
        data = super().get(name, default)
        self.read_bytes += len(data or b"")
        return data


def test_a_blob_that_is_larger_than_it_may_be_is_not_fetched_unless_somebody_needs_it_as_it_is() -> None:
    desk = Desk()
    data = bytes(300_000)
    name, first = digest(data), data[: limit("blob_chunk_bytes")]
    desk.blobs.want(0.0, name, [ALICE, BOB], ReadCut(name), 200_000)
    assert desk.asked() == [(ALICE, name)]
    desk.blobs.on_chunk(0.0, ALICE, BlobChunk(name, 0, len(data), first))
    assert desk.asked() == [(BOB, name)] and desk.blobs.received(name) == 0
    desk.blobs.on_chunk(0.0, BOB, BlobChunk(name, 0, len(data), first))
    assert desk.at(30.0) == []
    desk.blobs.want(30.0, name, [ALICE], StorePayload(b"job"))
    source, _ = desk.at(33.0)[-1]
    for offset in range(0, len(data), limit("blob_chunk_bytes")):
        chunk = data[offset : offset + limit("blob_chunk_bytes")]
        desk.blobs.on_chunk(33.0, source, BlobChunk(name, offset, len(data), chunk))
        source, _ = (desk.asked() or [(source, name)])[-1]
    assert {type(need) for need in desk.blobs.here()} == {ReadCut, StorePayload}


def test_a_source_that_says_that_a_blob_is_too_large_does_not_keep_it_from_coming() -> None:
    desk = Desk()
    data = b"a cut"
    desk.blobs.want(0.0, digest(data), [ALICE, BOB], ReadCut(digest(data)), 200_000)
    desk.blobs.on_chunk(0.0, ALICE, BlobChunk(digest(data), 0, 1 << 40, bytes(1 << 17)))
    desk.come(BOB, data)
    assert digest(data) in desk.blobs


def test_one_frame_of_requests_is_served_to_a_bounded_size_and_reads_each_blob_once() -> None:
    data = bytes(1 << 20)
    store = Counting({digest(data): data})
    desk = Desk()
    desk.blobs = Blobs(desk.context, store, lambda peer: False, lambda names: set())
    for number in range(4096):
        desk.blobs.on_fetch(1.0, GHOST, FetchBlob(digest(data), number % 8 * limit("blob_chunk_bytes")))
    served = [effect.message for effect in desk.context.outbox.take() if isinstance(effect, Send)]
    chunks = [message for message in served if isinstance(message, BlobChunk)]
    assert store.read_bytes == len(data)
    assert 0 < sum(len(chunk.data) for chunk in chunks) <= limit("served_bytes_max")
    assert desk.context.dropped["asked_for_too_much"] == 4096 - len(chunks)
    desk.blobs.on_fetch(2.0, ALICE, FetchBlob(digest(data), 0))
    assert len(desk.context.outbox.take()) == 1, "the next frame is served again"


def test_requests_for_many_large_blobs_in_one_frame_do_not_read_them_all() -> None:
    blobs = [bytes([number]) * (4 << 20) for number in range(16)]
    store = Counting({digest(data): data for data in blobs})
    desk = Desk()
    desk.blobs = Blobs(desk.context, store, lambda peer: False, lambda names: set())
    for data in blobs:
        desk.blobs.on_fetch(1.0, GHOST, FetchBlob(digest(data), 0))
    assert store.read_bytes <= limit("served_bytes_max") + len(blobs[0])
