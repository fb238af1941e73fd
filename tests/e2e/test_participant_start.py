"""What is wrong outside is one line and an exit code, and nothing is touched."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from axl import keys
from mesh_core.io.store import Store
from tests.e2e.mesh import Mesh, Participant

REFUSED, STORE = 2, 3


@pytest.fixture
def participant(mesh: Mesh) -> Participant:
    return mesh.add("node1")


def is_one_line(text: str) -> bool:
    return text.startswith("mesh: ") and text.count("\n") == 1 and text.endswith("\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("price_micro = 10_000", "price_micro = -1", "price_micro: expected int >= 0"),
        ('key = "key.pem"', 'key = "nowhere.pem"', "nowhere.pem does not exist; make one with: openssl"),
        ('token_file = "../token"', 'token_file = "nowhere"', "cannot be read: No such file"),
        ('log = "provider.log"', 'log = "nowhere/provider.log"', "cannot be written: No such file"),
        ("fast = true", "fast = ", "is not TOML"),
    ],
)
def test_bad_settings_are_one_line(participant: Participant, old: str, new: str, said: str) -> None:
    participant.change(old, new)
    code, text = participant.refusal()
    assert (code, is_one_line(text)) == (REFUSED, True), text
    assert said in text


def test_a_missing_settings_file_is_one_line(participant: Participant) -> None:
    participant.settings.unlink()
    code, text = participant.refusal()
    assert (code, is_one_line(text)) == (REFUSED, True), text


def test_a_full_disk_is_an_exit_code_although_the_reason_finds_no_room(participant: Participant) -> None:
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY)); \
from mesh_core.__main__ import main; raise SystemExit(main(['--config', {str(participant.settings)!r}]))"
    errors = participant.folder / "errors"
    with errors.open("wb") as full:
        done = subprocess.run([sys.executable, "-c", code], stderr=full, timeout=20, check=False)
    assert done.returncode == STORE
    assert errors.read_bytes() == b""


def test_a_store_of_another_key_is_refused_and_left_alone(participant: Participant) -> None:
    path = participant.folder / "store.db"
    Store.open(path, keys.generate().peer).close()
    before = path.read_bytes()
    code, text = participant.refusal()
    assert (code, is_one_line(text)) == (STORE, True), text
    assert "belongs to key" in text
    assert path.read_bytes() == before


def test_a_damaged_store_is_refused_and_left_alone(participant: Participant) -> None:
    path = participant.folder / "store.db"
    path.write_bytes(b"not a store at all" * 300)
    code, text = participant.refusal()
    assert (code, is_one_line(text)) == (STORE, True), text
    assert "is damaged" in text
    assert path.read_bytes() == b"not a store at all" * 300


def test_a_store_in_use_is_refused(participant: Participant) -> None:
    store = Store.open(participant.folder / "store.db", participant.key.peer)
    code, text = participant.refusal()
    store.close()
    assert (code, is_one_line(text)) == (STORE, True), text
    assert "in use by another process" in text


def test_a_port_in_use_is_named(participant: Participant) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", participant.control_port))
        taken.listen()
        code, text = participant.refusal()
    assert (code, is_one_line(text)) == (REFUSED, True), text
    assert f"127.0.0.1:{participant.control_port}" in text
    kept = [path for path in participant.folder.iterdir() if path.suffix in {".db", ".log", ".pem"}]
    assert len(kept) == 3
    assert [path.name for path in kept if path.stat().st_mode & 0o077] == []


def test_an_axl_node_of_another_key_is_refused(participant: Participant) -> None:
    participant.start_axl()
    (participant.folder / "key.pem").rename(participant.folder / "old.pem")
    config = participant.folder / "node-config.json"
    config.write_text(config.read_text().replace("key.pem", "old.pem"))
    participant.end()
    participant.start_axl()
    keys.make(participant.folder / "key.pem")
    code, text = participant.refusal()
    assert (code, is_one_line(text)) == (REFUSED, True), text
    assert "both must use the same key file" in text


def test_a_lifeline_that_is_none_is_refused(
    participant: Participant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPER_LIFELINE_FD", "999")
    code, text = participant.refusal()
    assert (code, is_one_line(text)) == (REFUSED, True), text
    assert "WHISPER_LIFELINE_FD" in text
