"""A participant's store, damaged: it opens with exactly what was in it, or refuses in one line."""

from __future__ import annotations

import shutil
import struct
import tempfile
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

from mesh_core.effects import PutBlob, PutMeta, PutStatement, PutVote, Stored, Write
from mesh_core.identity.statement import digest
from mesh_core.io.store import Store
from mesh_core.io.store_file import StoreError
from tests.fuzz.mutate import by_bytes
from tests.fuzz.scratch import scratch_folder
from tests.fuzz.target import Target, require_one_line

OWNER = bytes(range(32))
_EDIT = struct.Struct(">BBHB")
"""What to do, where (page and offset), to what."""

EDITS_MAX = 6
PAGE_BYTES = 4096
_FILES = ("store.db", "store.db-wal")


class _Listener:
    """Waits for what is acknowledged."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.error: StoreError | None = None
        self.ticket = 0
        self.wanted = 0

    def durable(self, ticket: int) -> None:
        self.ticket = ticket
        if ticket >= self.wanted:
            self.ended.set()

    def problem(self, text: str) -> None:
        require_one_line(text)

    def damaged(self, text: str) -> None:
        require_one_line(text)

    def failed(self, error: StoreError) -> None:
        self.error = error
        self.ended.set()


def _write(store: Store, writes: list[Write]) -> StoreError | None:
    listener = _Listener()
    listener.wanted = 1
    store.start(listener)
    store.submit(writes)
    assert listener.ended.wait(20)
    return listener.error


def _contents() -> list[Write]:
    job = b"j" * 32
    statements = [
        PutStatement(bytes([author]) * 32, seq, digest(b"%d %d" % (author, seq)), b"%d" % seq * (7 * seq))
        for author in (1, 2, 3)
        for seq in range(1, 40)
    ]
    votes = [
        PutVote(job, epoch, phase, b"vote" * 20)
        for epoch in range(1, 40)
        for phase in ("promise", "accept", "settle")
    ]
    blobs = [PutBlob(digest(data), data) for data in (b"blob" * 3000, b"small")]
    return [*statements, *votes, *blobs, PutMeta("boot", b"3"), PutMeta("query:1", b"state" * 30)]


@cache
def _originals() -> tuple[Path, Path]:
    """Folders with the files of a store that was closed, and of one whose process was killed."""
    root = scratch_folder()
    closed, killed, live = root / "closed", root / "killed", root / "live"
    for folder in (closed, killed, live):
        folder.mkdir()
    store = Store.open(live / "store.db", OWNER)
    contents = _contents()
    assert _write(store, contents[: len(contents) // 2]) is None
    store.close()
    store = Store.open(live / "store.db", OWNER)
    assert _write(store, contents[len(contents) // 2 :]) is None
    for name in (*_FILES, "store.db.mark"):
        shutil.copy(live / name, killed / name)
    store.close()
    for name in ("store.db", "store.db.mark"):
        shutil.copy(live / name, closed / name)
    return closed, killed


def run_store(data: bytes) -> None:
    """The first byte chooses a store, the rest are edits of its files."""
    with tempfile.TemporaryDirectory(prefix="whisper-fuzz-") as scratch:
        path = Path(scratch) / "store.db"
        for source in _originals()[data[0] & 1 if data else 0].iterdir():
            shutil.copy(source, path.with_name(source.name))
        for edit in list(_EDIT.iter_unpack(data[1 : 1 + len(data[1:]) // _EDIT.size * _EDIT.size]))[
            :EDITS_MAX
        ]:
            _edit(path, *edit)
        before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
        try:
            store = Store.open(path, OWNER)
        except StoreError as error:
            _check_refusal(error, path)
            for name, content in before.items():
                assert path.with_name(name).read_bytes() == content, "a store that is refused was changed"
            return
        try:
            _use(store)
        except StoreError as error:
            _check_refusal(error, path)
        finally:
            store.close()


def _check_refusal(error: StoreError, path: Path) -> None:
    require_one_line(str(error))
    assert str(path) in str(error)


def _use(store: Store) -> None:
    """Whoever opens it finds what was in it, and cannot vote again otherwise."""
    _check_contents(store.load())
    votes = [write for write in _contents() if isinstance(write, PutVote)]
    vote = votes[len(votes) // 3]
    error = _write(store, [PutVote(vote.job, vote.epoch, vote.phase, b"another vote")])
    assert error is not None, "a second vote for one slot was written"
    require_one_line(str(error))


def _check_contents(stored: Stored) -> None:
    contents = _contents()
    statements = sorted(
        (one for one in contents if isinstance(one, PutStatement)), key=lambda one: (one.author, one.seq)
    )
    assert stored.statements == statements, "records are missing or altered"
    votes = sorted(
        (one for one in contents if isinstance(one, PutVote)), key=lambda one: (one.job, one.epoch, one.phase)
    )
    assert stored.votes == votes, "votes are missing or altered"
    assert stored.meta == {one.key: one.value for one in contents if isinstance(one, PutMeta)}
    for blob in (one for one in contents if isinstance(one, PutBlob)):
        assert stored.blobs.get(blob.hash) in (blob.data, None), "a blob is altered"


def _edit(path: Path, what: int, page: int, at: int, value: int) -> None:
    """Damage of one kind at one place of one file."""
    file = path.with_name(_FILES[what & 1])
    with suppress(FileNotFoundError):
        content = bytearray(file.read_bytes())
        pages = max(1, len(content) // PAGE_BYTES)
        start = page % pages * PAGE_BYTES
        place = start + at % PAGE_BYTES
        match what >> 1 & 7:
            case 0 | 1:
                content[place : place + 1] = bytes([value])
            case 2:
                content[place : place + 1] = (
                    bytes([content[place] ^ 1 << value % 8]) if place < len(content) else b""
                )
            case 3:
                content[start : start + PAGE_BYTES] = bytes(PAGE_BYTES)
            case 4:
                other = value % pages * PAGE_BYTES
                content[start : start + PAGE_BYTES] = content[other : other + PAGE_BYTES]
            case 5:
                del content[place:]
            case 6:
                content[place : place + 16] = bytes([value]) * 16
            case _:
                # The first bytes of a page say what it is and how many rows it has: worth hitting more often.
                content[start + at % 12 : start + at % 12 + 1] = bytes([value])
        file.write_bytes(content)


def store_seeds() -> list[bytes]:
    """No damage, and one of each kind."""
    edits = [_EDIT.pack(what, page, 100, 5) for what in range(16) for page in (0, 3)]
    return [b"\0", b"\1", *(bytes([number & 1]) + edit for number, edit in enumerate(edits))]


TARGETS = (
    Target(
        "store", "the files of a store, damaged", run_store, store_seeds, by_bytes((bytes(5), b"\xff" * 5))
    ),
)
