"""The store keeps what it acknowledged, refuses what it must, and never touches what it does not understand."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from mesh_core.effects import (
    DropBlob,
    DropPromises,
    DropStatements,
    DropVotes,
    PutBlob,
    PutMeta,
    PutStatement,
    PutVote,
    Write,
)
from mesh_core.identity.statement import digest
from mesh_core.io.store import Store
from mesh_core.io.store_file import StoreBehindError, StoreDamagedError, StoreError

OWNER = bytes(range(32))
JOB = b"j" * 32


class Waiter:
    """A listener that a test can wait on."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.ticket = 0
        self.problems: list[str] = []
        self.damages: list[str] = []
        self.error: StoreError | None = None

    def durable(self, ticket: int) -> None:
        with self.changed:
            self.ticket = ticket
            self.changed.notify_all()

    def problem(self, text: str) -> None:
        with self.changed:
            self.problems.append(text)
            self.changed.notify_all()

    def damaged(self, text: str) -> None:
        self.damages.append(text)

    def failed(self, error: StoreError) -> None:
        with self.changed:
            self.error = error
            self.changed.notify_all()

    def wait_for(self, ticket: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.ticket >= ticket or self.error, timeout=10)
            assert self.error is None, self.error

    def wait_for_error(self) -> StoreError:
        with self.changed:
            assert self.changed.wait_for(lambda: self.error is not None, timeout=10)
            assert self.error is not None
            return self.error

    def wait_for_problem(self, text: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: any(text in each for each in self.problems), timeout=10)


@contextmanager
def opened(path: Path, owner: bytes = OWNER) -> Iterator[tuple[Store, Waiter]]:
    store = Store.open(path, owner)
    try:
        waiter = Waiter()
        store.start(waiter)
        yield store, waiter
    finally:
        store.close()


def statement(seq: int, size: int = 40) -> PutStatement:
    body = hashlib.blake2b(str(seq).encode()).digest() * (size // 64 + 1)
    return PutStatement(OWNER, seq, digest(body), body)


def vote(epoch: int, signed: bytes = b"mine", phase: str = "promise") -> PutVote:
    return PutVote(JOB, epoch, phase, signed)


def write(path: Path, *batches: tuple[Write, ...]) -> None:
    with opened(path) as (store, waiter):
        for batch in batches:
            ticket = store.submit(batch)
        waiter.wait_for(ticket)


def read(path: Path) -> tuple[list[PutStatement], list[PutVote], dict[bytes, bytes], dict[str, bytes]]:
    store = Store.open(path, OWNER)
    try:
        stored = store.load()
        blobs = {name: stored.blobs.get(name, b"") for name in stored.blobs}
        return stored.statements, stored.votes, blobs, stored.meta
    finally:
        store.close()


def copy_of(path: Path, to: Path, *more: str) -> Path:
    to.mkdir(exist_ok=True)
    for suffix in ("", "-wal", *more):
        source = path.with_name(path.name + suffix)
        if source.exists():
            shutil.copy(source, to / source.name)
    return to / path.name


def test_what_was_acknowledged_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    blob = PutBlob(digest(b"payload"), b"payload")
    write(path, (statement(1), statement(2), vote(1)), (blob, PutMeta("boot", b"3")))
    assert read(path) == ([statement(1), statement(2)], [vote(1)], {blob.hash: b"payload"}, {"boot": b"3"})


def test_both_sides_of_a_fork_fit(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    other = PutStatement(OWNER, 1, digest(b"other"), b"other")
    write(path, (statement(1), other))
    assert {each.hash for each in read(path)[0]} == {statement(1).hash, other.hash}


def test_a_named_value_is_replaced_and_deleted_in_order(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    write(
        path,
        (PutMeta("a", b"1"), PutMeta("b", b"1")),
        (PutMeta("a", None),),
        (PutMeta("b", b"2"), PutMeta("a", b"3")),
    )
    write(path, (PutMeta("a", None),))
    assert read(path)[3] == {"b": b"2"}


def test_the_same_vote_again_is_no_news(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    write(path, (vote(1),), (vote(1),))
    assert read(path)[1] == [vote(1)]


def test_a_different_vote_for_the_same_slot_stops_the_store_and_keeps_what_came_before(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    write(path, (vote(1),))
    with opened(path) as (store, waiter):
        before = store.submit((vote(2),))
        store.submit((statement(1), vote(1, b"another")))
        store.submit((statement(2),))
        error = waiter.wait_for_error()
        assert waiter.ticket <= before
    assert "already cast its promise vote" in str(error)
    assert "\n" not in str(error)
    assert read(path)[:2] == ([], [vote(1), vote(2)])


def test_a_conflicting_vote_inside_one_group_spares_the_batches_before_it(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = Store.open(path, OWNER)
    waiter = Waiter()
    gate = threading.Event()
    blocked, waiter.durable = waiter.durable, lambda ticket: (blocked(ticket), gate.wait(10))[0]
    store.start(waiter)
    store.submit((PutMeta("first", b""),))  # keeps the writer busy, so that the next three form one group
    store.submit((vote(1),))
    store.submit((vote(1, b"another"), statement(1)))
    store.submit((statement(2),))
    gate.set()
    waiter.wait_for_error()
    store.close()
    assert waiter.ticket == 2
    assert read(path)[:2] == ([], [vote(1)])


def test_everything_queued_while_a_commit_runs_is_the_next_commit(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store.db", OWNER)
    waiter = Waiter()
    first_done, gate = threading.Event(), threading.Event()

    def hold(ticket: int) -> None:
        Waiter.durable(waiter, ticket)
        first_done.set()
        gate.wait(10)

    waiter.durable = hold
    store.start(waiter)
    store.submit((statement(1),))
    assert first_done.wait(10)
    for seq in range(2, 102):
        ticket = store.submit((statement(seq),))
    gate.set()
    waiter.wait_for(ticket)
    store.close()
    assert (store.counters.commits, store.counters.largest_group) == (2, 100)


def test_a_blob_can_be_read_before_and_after_its_commit(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with opened(path) as (store, waiter):
        blobs = store.load().blobs
        name = digest(b"data")
        assert name not in blobs
        ticket = store.submit((PutBlob(name, b"data"),))
        assert name in blobs
        assert blobs[name] == b"data"
        waiter.wait_for(ticket)
        assert blobs[name] == b"data"
        assert list(blobs) == [name]
        assert blobs.get(b"x" * 32) is None


def test_a_damaged_blob_counts_as_missing_and_heals_when_it_is_put_again(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    name = digest(b"data")
    write(path, (PutBlob(name, b"data"),))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE blob SET data = ?", (b"dat?",))
    with opened(path) as (store, waiter):
        blobs = store.load().blobs
        assert blobs.get(name) is None
        assert name not in blobs
        assert "was altered on disk" in waiter.damages[0]
        assert waiter.problems == []  # it must not stand in the way of what the disk itself says
        waiter.wait_for(store.submit((PutBlob(name, b"data"),)))
        assert blobs[name] == b"data"


def test_two_processes_cannot_use_one_store(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with opened(path), pytest.raises(StoreError, match="in use by another process"):
        Store.open(path, OWNER)
    Store.open(path, OWNER).close()


def test_a_store_belongs_to_one_key(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    Store.open(path, OWNER).close()
    with pytest.raises(StoreError, match=f"belongs to key {OWNER.hex()}"):
        Store.open(path, b"\1" * 32)
    Store.open(path, OWNER).close()


def test_a_store_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with opened(path) as (store, waiter):
        waiter.wait_for(store.submit((vote(1),)))
        files = list(tmp_path.iterdir())
        assert path in files
        for file in files:
            assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


def test_a_later_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    Store.open(path, OWNER).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="version 99"):
        Store.open(path, OWNER)


@pytest.mark.parametrize("content", [b"", b"\0" * 8192, b"this is no database at all" * 400])
def test_a_file_that_is_no_store_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=str(path)) as caught:
        Store.open(path, OWNER)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE precious (a)")
    with pytest.raises(StoreDamagedError, match="no store of this program"):
        Store.open(path, OWNER)


def test_a_log_without_its_store_is_not_started_over(tmp_path: Path) -> None:
    (tmp_path / "store.db-wal").write_bytes(b"x" * 100)
    with pytest.raises(StoreError, match="put the store back"):
        Store.open(tmp_path / "store.db", OWNER)


def test_a_missing_directory_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory"):
        Store.open(tmp_path / "nowhere" / "store.db", OWNER)


@pytest.mark.parametrize("column", ["statement.bytes", "vote.bytes", "meta.value"])
def test_an_altered_row_is_found_at_start(tmp_path: Path, column: str) -> None:
    path = tmp_path / "store.db"
    write(path, (statement(1), vote(1), PutMeta("boot", b"1")))
    table, name = column.split(".")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE {table} SET {name} = ?", (b"2",))
    store = Store.open(path, OWNER)
    with pytest.raises(StoreDamagedError, match="was altered"):
        store.load()
    store.close()


def test_a_log_cut_off_anywhere_opens_with_a_prefix_of_the_commits(tmp_path: Path) -> None:
    path = tmp_path / "live" / "store.db"
    path.parent.mkdir()
    sizes: list[int] = []
    log = path.with_name("store.db-wal")
    with opened(path) as (store, waiter):
        for seq in range(1, 9):
            waiter.wait_for(store.submit((statement(seq, 3000), vote(seq))))
            sizes.append(log.stat().st_size)
        taken = copy_of(path, tmp_path / "taken")
    whole = taken.with_name("store.db-wal").read_bytes()
    for offset in sorted(
        {*range(0, len(whole), 2999), *sizes, *(size - 1 for size in sizes), *(size + 1 for size in sizes)}
    ):
        cut = copy_of(taken, tmp_path / "cut")
        cut.with_name("store.db-wal").write_bytes(whole[:offset])
        statements, votes, _, _ = read(cut)
        kept = sum(size <= offset for size in sizes)
        assert [each.seq for each in statements] == list(range(1, kept + 1)), offset
        assert [each.epoch for each in votes] == list(range(1, kept + 1)), offset


def test_a_log_that_lost_its_middle_is_told_from_one_that_was_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "live" / "store.db"
    path.parent.mkdir()
    log = path.with_name("store.db-wal")
    sizes: list[int] = []
    with opened(path) as (store, waiter):
        for seq in range(1, 9):
            waiter.wait_for(store.submit((statement(seq, 3000), vote(seq))))
            sizes.append(log.stat().st_size)
        taken = copy_of(path, tmp_path / "taken", ".mark")
    assert len(read(copy_of(taken, tmp_path / "whole", ".mark"))[0]) == 8
    for kept, offset in ((0, sizes[0] - 100), (3, sizes[2] + 100), (7, sizes[6] + 30)):
        hurt = copy_of(taken, tmp_path / f"hurt{kept}", ".mark")
        damaged = bytearray(hurt.with_name("store.db-wal").read_bytes())
        damaged[offset] ^= 1
        hurt.with_name("store.db-wal").write_bytes(damaged)
        before = hurt.read_bytes(), bytes(damaged)
        with pytest.raises(
            StoreBehindError, match=f"ends at commit {kept}, but commit 8 was acknowledged"
        ) as caught:
            Store.open(hurt, OWNER)
        assert "\n" not in str(caught.value)
        assert (hurt.read_bytes(), hurt.with_name("store.db-wal").read_bytes()) == before


def test_an_old_copy_in_place_of_a_store_and_no_store_at_all_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    write(path, (statement(1),))
    old = path.read_bytes()
    write(path, (statement(2),), (statement(3),))
    newer = path.read_bytes()
    path.write_bytes(old)
    with pytest.raises(StoreBehindError, match="ends at commit 1, but commit "):
        Store.open(path, OWNER)
    path.unlink()
    with pytest.raises(StoreBehindError, match="is missing, but commit "):
        Store.open(path, OWNER)
    assert not path.exists()
    path.write_bytes(newer)
    assert len(read(path)[0]) == 3


def test_a_mark_that_says_nothing_of_this_key_stops_nobody(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    write(path, (statement(1),), (statement(2),))
    for content in (b"", b"x" * 12, b"\xff" * 100):
        path.with_name("store.db.mark").write_bytes(content)
        assert len(read(path)[0]) == 2
    write(path, (statement(3),))
    path.unlink()
    Store.open(path, bytes(32)).close()
    assert stat.S_IMODE(path.with_name("store.db.mark").stat().st_mode) == 0o600


def test_a_mark_that_cannot_be_written_costs_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "pwrite", refuse)
    write(tmp_path / "store.db", (statement(1),))
    assert len(read(tmp_path / "store.db")[0]) == 1


def test_a_store_cut_off_anywhere_is_either_whole_or_an_error(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    blob = PutBlob(digest(b"b" * 9000), b"b" * 9000)
    write(path, tuple(statement(seq, 3000) for seq in range(1, 9)), (vote(1), vote(2), blob))
    everything = read(path)
    whole = path.read_bytes()
    for offset in [*range(0, len(whole), 2731), len(whole) - 1]:
        cut = tmp_path / "cut.db"
        cut.write_bytes(whole[:offset])
        try:
            found = read(cut)
        except StoreError as error:
            assert str(cut) in str(error)
            assert "\n" not in str(error)
            assert cut.read_bytes() == whole[:offset]
        else:
            assert found[:2] == everything[:2], offset
            assert found[3] == everything[3], offset


@pytest.mark.parametrize("page", [1, 2, 3, 5])
def test_an_overwritten_page_is_never_taken_for_the_truth(tmp_path: Path, page: int) -> None:
    path = tmp_path / "store.db"
    write(
        path,
        tuple(statement(seq, 3000) for seq in range(1, 40)),
        tuple(vote(epoch) for epoch in range(1, 200)),
    )
    everything = read(path)
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 + 100 : page * 4096] = os.urandom(3996)
    path.write_bytes(content)
    try:
        found = read(path)
    except StoreError as error:
        assert str(path) in str(error)
    else:
        assert found[:2] == everything[:2]


def test_a_full_disk_is_a_slow_disk(tmp_path: Path) -> None:
    with opened(tmp_path / "store.db") as (store, waiter):
        waiter.wait_for(store.submit((statement(1),)))
        store._writer.execute("PRAGMA max_page_count = 12")
        ticket = store.submit((statement(2, 200_000), vote(1)))
        waiter.wait_for_problem("full")
        assert waiter.ticket < ticket
        store._writer.execute("PRAGMA max_page_count = 100000")
        waiter.wait_for(ticket)
        waiter.wait_for(store.submit((statement(3),)))
        assert waiter.problems[-1] == ""
    assert [each.seq for each in read(tmp_path / "store.db")[0]] == [1, 2, 3]


def test_closing_over_a_full_disk_says_that_something_stayed_unwritten(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = Store.open(path, OWNER)
    waiter = Waiter()
    store.start(waiter)
    waiter.wait_for(store.submit((statement(1),)))
    store._writer.execute("PRAGMA max_page_count = 12")
    store.submit((statement(2, 200_000),))
    waiter.wait_for_problem("full")
    assert store.close() is False
    assert [each.seq for each in read(path)[0]] == [1]


_CHILD = """
import resource, sys, threading
from pathlib import Path
from mesh_core.effects import PutVote
from mesh_core.io.store import Store

class Listener:
    def durable(self, ticket): print("durable", ticket, flush=True)
    def problem(self, text): print("problem", text, flush=True)
    def damaged(self, text): print("damaged", text, flush=True)
    def failed(self, error): print("failed", error, flush=True)

store = Store.open(Path(sys.argv[1]), bytes(range(32)))
store.load()
store.start(Listener())
"""


def child(code: str, path: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", _CHILD + textwrap.dedent(code), str(path)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_file_size_limit_is_waited_out(tmp_path: Path) -> None:
    """A real refusal by the system: the process may not grow files beyond a limit, until it may again."""
    path = tmp_path / "store.db"
    code = """
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
    store.submit([PutVote(b"j" * 32, 1, "promise", b"v" * 100_000)])
    sys.stdin.readline()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print("closed", store.close(), flush=True)
    """
    with child(code, path) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline().startswith("problem")
        process.stdin.write("\n")
        process.stdin.flush()
        rest = process.stdout.read().splitlines()
    assert "durable 1" in rest
    assert rest[-1] == "closed True"
    assert [each.epoch for each in read(path)[1]] == [1]


def test_a_process_killed_while_it_commits_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    code = """
    for epoch in range(1, 1_000_000):
        store.submit([PutVote(b"j" * 32, epoch, "promise", b"v" * 2000)])
        if epoch % 7 == 0:
            threading.Event().wait(0.0005)
    """
    with child(code, path) as process:
        assert process.stdout
        acknowledged = 0
        while acknowledged < 300:
            acknowledged = int(process.stdout.readline().split()[1])
        process.kill()
        for line in process.stdout:
            if line.endswith("\n"):
                acknowledged = int(line.split()[1])
    epochs = [each.epoch for each in read(path)[1]]
    assert epochs == list(range(1, len(epochs) + 1))
    assert len(epochs) >= acknowledged


def statements(first: int, count: int) -> list[Write]:
    return [
        PutStatement(OWNER, seq, digest(b"%d" % seq), os.urandom(1000)) for seq in range(first, first + count)
    ]


def test_a_store_whose_old_records_are_dropped_does_not_grow(tmp_path: Path) -> None:
    sizes: list[int] = []
    with opened(tmp_path / "store.db") as (store, waiter):
        for lap in range(30):
            first = 200 * lap
            blob = os.urandom(50_000)
            store.submit([*statements(first + 1, 200), PutBlob(digest(blob), blob)])
            store.submit([PutVote(b"%032d" % lap, 1, "promise", os.urandom(300))])
            dropped: list[Write] = [DropStatements(OWNER, first), DropVotes(b"%032d" % (lap - 1))]
            waiter.wait_for(store.submit([*dropped, DropBlob(digest(blob))]))
            sizes.append((tmp_path / "store.db").stat().st_size)
    assert max(sizes[10:]) <= 1.2 * max(sizes[:10])
    with opened(tmp_path / "store.db") as (store, _):
        loaded = store.load()
        assert [one.seq for one in loaded.statements] == list(range(5801, 6001))
        assert [vote.job for vote in loaded.votes] == [b"%032d" % 29]
        assert not list(loaded.blobs)


def test_promises_give_way_to_a_higher_one_and_votes_stay(tmp_path: Path) -> None:
    job, other = b"j" * 32, b"o" * 32
    with opened(tmp_path / "store.db") as (store, waiter):
        store.submit([PutVote(job, epoch, "promise", b"p%d" % epoch) for epoch in (1, 2)])
        store.submit([PutVote(job, 1, "accept", b"a"), PutVote(other, 1, "promise", b"o")])
        waiter.wait_for(store.submit([PutVote(job, 3, "promise", b"p3"), DropPromises(job, 3)]))
        kept = [(vote.job, vote.epoch, vote.phase) for vote in store.load().votes]
    assert sorted(kept) == [(job, 1, "accept"), (job, 3, "promise"), (other, 1, "promise")]


def test_of_one_blob_the_last_write_counts(tmp_path: Path) -> None:
    kept, gone = b"kept", b"gone"
    with opened(tmp_path / "store.db") as (store, waiter):
        store.submit([PutBlob(digest(kept), kept), DropBlob(digest(kept)), PutBlob(digest(gone), gone)])
        store.submit([PutBlob(digest(kept), kept), DropBlob(digest(gone))])
        waiter.wait_for(store.submit([PutMeta("done", b"")]))
        assert kept == store.load().blobs[digest(kept)]
        assert digest(gone) not in store.load().blobs


def test_a_store_without_the_snapshot_it_goes_on_from_is_damaged(tmp_path: Path) -> None:
    base = msgspec.msgpack.encode((b"s" * 32, (), (), (), ()))
    with opened(tmp_path / "store.db") as (store, waiter):
        waiter.wait_for(store.submit([PutMeta("ledger:base", base)]))
        with pytest.raises(StoreDamagedError, match="snapshot"):
            store.load()


def filled(path: Path) -> None:
    """A store whose tables have many pages each."""
    write(
        path,
        tuple(statement(seq, 300) for seq in range(1, 200)),
        tuple(vote(epoch, b"mine" * 20) for epoch in range(1, 400)),
        (PutMeta("boot", b"1"),),
    )


def test_a_page_that_claims_fewer_rows_does_not_make_them_vanish(tmp_path: Path) -> None:
    """Two bytes of each page say how many rows it has; each row's own sum tells nothing of those that are gone."""
    path = tmp_path / "store.db"
    filled(path)
    whole, content = read(path), path.read_bytes()
    for page in range(1, len(content) // 4096):
        hurt = bytearray(content)
        hurt[page * 4096 + 3 : page * 4096 + 5] = b"\0\1"
        path.write_bytes(hurt)
        try:
            found = read(path)
        except StoreError as error:
            assert "\n" not in str(error)
        else:
            assert (found[0], found[1], found[3]) == (whole[0], whole[1], whole[3]), page


def test_an_index_that_has_lost_a_vote_does_not_let_it_be_cast_again(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    filled(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_vote_1'"
        (root,) = connection.execute(query).fetchone()
    content = bytearray(path.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = b"\x0a\0\0\0\0\x10\0\0" + bytes(
        4088
    )  # an empty leaf of an index
    path.write_bytes(content)
    with pytest.raises(StoreDamagedError, match="index"):
        Store.open(path, OWNER)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE owner SET peer = 'text'",
        "UPDATE meta SET value = 7",
        "UPDATE statement SET author = 'text'",
        "UPDATE vote SET job = 5",
        "UPDATE sqlite_master SET name = CAST(x'6fff776e6572' AS TEXT) WHERE name = 'owner'",
        "UPDATE sqlite_master SET sql = CAST(x'437265617465ff' AS TEXT) WHERE name = 'owner'",
    ],
)
def test_a_value_of_another_kind_is_damage_in_one_line(tmp_path: Path, change: str) -> None:
    path = tmp_path / "store.db"
    write(path, (statement(1), vote(1), PutMeta("boot", b"1")))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(change)
    path.with_name("store.db.mark").unlink()
    with pytest.raises(StoreError) as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 1, 4095])
def test_a_store_cut_short_keeps_its_log(tmp_path: Path, size: int) -> None:
    path = tmp_path / "live" / "store.db"
    path.parent.mkdir()
    with opened(path) as (store, waiter):
        waiter.wait_for(store.submit((statement(1),)))
        taken = copy_of(path, tmp_path / "taken", ".mark")
    log = taken.with_name("store.db-wal").read_bytes()
    taken.write_bytes(taken.read_bytes()[:size])
    with pytest.raises(StoreDamagedError, match="cut short"):
        Store.open(taken, OWNER)
    assert taken.with_name("store.db-wal").read_bytes() == log
