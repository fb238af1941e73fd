"""Signed records are asked of whoever holds them, and `ledger show` says what comes of checking one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from mesh_core.api.client import ControlClient
from mesh_core.api.hub import EventHub
from mesh_core.api.schema import Check, CheckedRecord, RecordView, State
from mesh_core.api.server import ControlServer
from tests.unit.api.participants import PEER, TOKEN, FakeParticipant, Things
from whisper_tui.commands import show_record
from whisper_tui.errors import ActionError, BadInput, MeshUnreachable
from whisper_tui.model.state import initial_state
from whisper_tui.reach import Reach
from whisper_tui.sources.records import MeshRecords
from whisper_tui.supervisor.rundir import RunDir

NAME = b"\x07" * 32
OTHER = b"\x07\x08" * 16
SOUND = Check("signature", True, "ed25519, by its author")
FORGED = Check("signature", False, "record is not signed by its author")


def record(name: bytes = NAME, *checks: Check) -> CheckedRecord:
    view = RecordView(name.hex(), PEER.hex(), 1, "job", name.hex(), "q1.1 answer", 5.0, 100)
    return CheckedRecord(
        view, "local", 1, "00" * 32, {"label": "q1.1"}, [], list(checks or [SOUND]), "ab" * 100
    )


@asynccontextmanager
async def serving(*participants: FakeParticipant) -> AsyncIterator[list[tuple[str, ControlClient]]]:
    """Control APIs of participants called a, b, …"""
    servers = []
    for participant in participants:
        server = ControlServer(participant, EventHub(PEER, 1, Things(), lambda: 0.0), TOKEN)
        await server.start("127.0.0.1", 0)
        servers.append(server)
    clients = [ControlClient(f"http://127.0.0.1:{server.port}", TOKEN) for server in servers]
    yield list(zip("abcdefg", clients, strict=False))
    for server in servers:
        await server.close()


def records_of(askable: Sequence[tuple[str, ControlClient]]) -> MeshRecords:
    async def ask() -> Sequence[tuple[str, ControlClient]]:
        return askable

    return MeshRecords(ask)


async def test_the_first_who_holds_a_record_answers_and_is_named() -> None:
    without, holder = FakeParticipant(), FakeParticipant()
    holder.records[NAME] = record()
    async with serving(without, holder) as askable:
        found = records_of(askable)
        assert await found.record(NAME.hex()) == ("b", record())
        assert await found.about_job(NAME.hex()) == ("a", [])
        assert await records_of(askable[1:]).by_author(PEER.hex()) == ("b", [record().record])
        with pytest.raises(ActionError, match="is held here: it was never seen"):
            await found.record("08" * 32)


async def test_whoever_does_not_answer_is_passed_over_until_nobody_is_left() -> None:
    holder = FakeParticipant()
    holder.records[NAME] = record()
    nobody = ("gone", ControlClient("http://127.0.0.1:9", TOKEN))
    async with serving(holder) as askable:
        assert (await records_of([nobody, *askable]).record(NAME.hex()))[0] == "a"
    with pytest.raises(MeshUnreachable, match="no participant answers: nobody answers at"):
        await records_of([nobody]).record(NAME.hex())
    with pytest.raises(MeshUnreachable, match="every participant is down"):
        await records_of([]).record(NAME.hex())


async def test_bytes_that_cannot_be_read_are_no_answer() -> None:
    liar = FakeParticipant()
    liar.records[NAME] = replace(record(), raw="no hex")
    async with serving(liar) as askable:
        with pytest.raises(MeshUnreachable, match="raw is not hexadecimal"):
            await records_of(askable).record(NAME.hex())


@pytest.fixture
def mesh(monkeypatch: pytest.MonkeyPatch) -> FakeParticipant:
    """A mesh of one participant that holds two records."""
    participant = FakeParticipant()
    participant.records = {NAME: record(), OTHER: record(OTHER, FORGED)}

    class Answering:
        async def record(self, name: str) -> CheckedRecord:
            found = await participant.record(bytes.fromhex(name))
            assert found is not None
            return found

    async def state(_reach: Reach, _observer: str | None = None) -> State:
        return replace(participant.state(), records=[one.record for one in participant.records.values()])

    async def askable(_reach: Reach, _name: str | None = None) -> list[tuple[str, Answering]]:
        return [("operator", Answering())]

    async def nothing(_reach: Reach) -> None:
        return None

    monkeypatch.setattr(Reach, "state", state)
    monkeypatch.setattr(Reach, "askable", askable)
    monkeypatch.setattr(Reach, "status", nothing)
    monkeypatch.setattr(show_record, "picture_of", lambda _status, _state: initial_state())
    return participant


def manner(*, raw: bool = False, json: bool = False) -> show_record.Manner:
    return show_record.Manner(None, raw, json)


@pytest.mark.usefixtures("mesh")
async def test_a_record_is_shown_by_its_hash_or_the_start_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (NAME.hex(), "0707"):
        await show_record.show(RunDir(tmp_path), name, manner())
        shown = capsys.readouterr().out
        assert "Checked by operator" in shown and "✓ signature   ed25519, by its author" in shown
        assert NAME.hex() in shown
    await show_record.show(RunDir(tmp_path), "0707", manner(raw=True))
    assert "000000  ab ab ab" in capsys.readouterr().out
    await show_record.show(RunDir(tmp_path), "0707", manner(json=True))
    assert '"what": "signature"' in capsys.readouterr().out


@pytest.mark.usefixtures("mesh")
async def test_a_check_that_fails_fails_the_command_after_showing_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ActionError, match="operator finds: signature: record is not signed by its author"):
        await show_record.show(RunDir(tmp_path), OTHER.hex(), manner())
    assert "✖ signature" in capsys.readouterr().out


@pytest.mark.usefixtures("mesh")
async def test_a_hash_that_means_nothing_or_too_much_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="zz: a record's hash is 64 hexadecimal characters"):
        await show_record.show(RunDir(tmp_path), "zz", manner())
    with pytest.raises(ActionError, match="2 of the newest records begin with 07: add a few"):
        await show_record.show(RunDir(tmp_path), "07", manner())
    with pytest.raises(ActionError, match="none of the 2 newest records begins with 08"):
        await show_record.show(RunDir(tmp_path), "08", manner())
