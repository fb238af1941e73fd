"""The simulated disk keeps the contract of the real store."""

import pytest

from mesh_core.effects import PutBlob, PutMeta, PutStatement, PutVote
from mesh_core.simulation.disk import Damage, Disk, VoteOverwritten

JOB = b"j" * 32


def vote(signed: bytes, epoch: int = 1) -> PutVote:
    return PutVote(JOB, epoch, "promise", signed)


def test_a_crash_loses_what_was_not_synced_and_nothing_else() -> None:
    disk = Disk()
    disk.append((PutMeta("boot", b"1"),))
    disk.begin_sync()
    disk.end_sync()
    disk.append((PutMeta("boot", b"2"), PutBlob(b"h", b"data")))
    disk.crash()
    stored = disk.load()
    assert stored.meta == {"boot": b"1"}
    assert dict(stored.blobs) == {}


def test_an_interrupted_fsync_may_have_reached_the_disk_in_whole_batches() -> None:
    disk = Disk()
    disk.append((PutMeta("a", b"1"), PutMeta("b", b"1")))
    disk.append((PutMeta("a", b"2"), PutMeta("b", b"2")))
    disk.begin_sync()
    assert disk.crash(kept=0.5) == Damage(lost=1, torn=False)
    assert disk.load().meta == {"a": b"1", "b": b"1"}


def test_a_batch_that_is_torn_is_gone_with_all_behind_it() -> None:
    disk = Disk()
    for number in range(4):
        disk.append((PutMeta(f"key {number}", b"value"),))
    disk.begin_sync()
    assert disk.crash(kept=0.4) == Damage(lost=3, torn=True)
    assert disk.load().meta == {"key 0": b"value"}


def test_an_fsync_that_reached_the_disk_whole_lost_nothing() -> None:
    disk = Disk()
    disk.append((PutMeta("a", b"1"),))
    disk.begin_sync()
    assert disk.crash(kept=1.0) == Damage(lost=0, torn=False)
    assert disk.load().meta == {"a": b"1"}


def test_an_old_backup_holds_what_was_durable_then() -> None:
    disk = Disk()
    disk.append((vote(b"one"),))
    disk.begin_sync()
    disk.end_sync()
    backup = disk.backup()
    disk.append((vote(b"two", epoch=2), PutMeta("a", b"1")))
    disk.begin_sync()
    disk.end_sync()
    disk.crash()
    disk.restore(backup)
    assert [put.signed for put in disk.load().votes] == [b"one"]
    assert disk.load().meta == {}
    disk.append((vote(b"another", epoch=2),))


def test_batches_written_during_an_fsync_wait_for_the_next_one() -> None:
    disk = Disk()
    disk.append((PutMeta("a", b"1"),))
    disk.begin_sync()
    late = disk.append((PutMeta("b", b"1"),))
    disk.end_sync()
    assert disk.acknowledged == late - 1
    assert disk.behind
    disk.begin_sync()
    disk.end_sync()
    assert disk.acknowledged == late


def test_a_vote_is_written_once_and_the_same_bytes_may_be_written_again() -> None:
    disk = Disk()
    disk.append((vote(b"one"),))
    disk.append((vote(b"one"),))
    with pytest.raises(VoteOverwritten):
        disk.append((vote(b"other"),))
    disk.begin_sync()
    disk.end_sync()
    with pytest.raises(VoteOverwritten):
        disk.append((vote(b"other"),))
    disk.append((vote(b"other", epoch=2),))


def test_a_vote_that_a_crash_lost_no_longer_holds_its_key() -> None:
    disk = Disk()
    disk.append((vote(b"one"),))
    disk.crash()
    disk.append((vote(b"other"),))


def test_both_sides_of_a_fork_fit() -> None:
    disk = Disk()
    disk.append((PutStatement(b"a", 1, b"h1", b"x"), PutStatement(b"a", 1, b"h2", b"y")))
    disk.begin_sync()
    disk.end_sync()
    assert [put.signed for put in disk.load().statements] == [b"x", b"y"]


def test_loaded_blobs_show_those_put_later() -> None:
    disk = Disk()
    blobs = disk.load().blobs
    disk.append((PutBlob(b"h", b"data"),))
    assert blobs[b"h"] == b"data"


def test_watchers_hear_of_writes_when_they_are_durable() -> None:
    disk = Disk()
    heard: list[object] = []
    disk.on_durable = heard.extend
    write = PutMeta("a", b"1")
    disk.append((write,))
    disk.begin_sync()
    assert heard == []
    disk.end_sync()
    assert heard == [write]
