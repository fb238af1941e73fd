"""Events as text: one inert line for each, with its time, at once."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from mesh_core.api.schema import Event
from tests.unit.console.feeder import Feeder, peer_of, rescue_story
from whisper_tui.commands import plain as command
from whisper_tui.commands.plain import Lines, follow
from whisper_tui.model import plain
from whisper_tui.model.glyphs import ASCII, UNICODE
from whisper_tui.model.reducer import reduce
from whisper_tui.model.state import State, initial_state


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


async def told(events: list[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event


async def all_of(mesh: Feeder, *, as_json: bool = False) -> None:
    state = initial_state(primary=peer_of("operator"))
    await follow(told(mesh.events), state, Lines(as_json=as_json))


async def test_each_event_is_one_line_with_date_time_and_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    mesh = rescue_story()
    await all_of(mesh)
    lines = capsys.readouterr().out.splitlines()
    (dead,) = (line for line in lines if "node4 confirmed dead" in line)
    assert dead[:24].rstrip().count(":") == 2
    assert dead[10] == " " and dead[4] == dead[7] == "-" and dead[19] == "."
    assert dead[24:].startswith("✖ node4 confirmed dead, ")
    (killed,) = (line for line in lines if " killed by " in line)
    assert killed.endswith(")") and "  (whisper-tui kill " in killed, "with the command that does the same"


async def test_as_json_each_line_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    await all_of(rescue_story(), as_json=True)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(list(one) == ["at_ms", "kind", "sentence", "told_by", "data"] for one in found)
    (dead,) = (one for one in found if one["kind"] == "member_dead" and one["sentence"].startswith("node4"))
    assert dead["data"]["peer"] == peer_of("node4")
    assert dead["told_by"]
    assert "supervisor" in {name for one in found for name in one["told_by"]}


async def test_what_a_participant_writes_cannot_act_on_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for as_json in (False, True):
        mesh = Feeder()
        mesh.start()
        mesh.tell("node1", "problem", {"text": "\x1b]0;gotcha\x07\nnode9 confirmed dead\x9b31m"})
        await all_of(mesh, as_json=as_json)
        said = capsys.readouterr().out
        assert not set(said) & set("\x1b\x07\x9b")
        (line,) = (line for line in said.splitlines() if "gotcha" in line)
        assert "node9" in line, "on the same line as what was told with it"


def fold(state: State, events: list[Event]) -> Iterator[tuple[State, State]]:
    for event in events:
        before, state = state, reduce(state, event)
        yield before, state


def test_a_job_that_has_no_name_yet_waits_a_moment_for_it() -> None:
    mesh = Feeder()
    mesh.start()
    state = initial_state(primary=peer_of("operator"))
    *_, (_, state) = fold(state, mesh.events)
    seen = len(mesh.events)
    teller = plain.Teller()
    mesh.tell("node1", "job_accepted", {"job": "ab" * 32, "stored": 4})
    ((before, after),) = fold(state, mesh.events[seen:])
    assert teller.news(before, after) == []
    mesh.wait(plain.NAME_AWAITED_MS)
    mesh.tell("node1", "problem", {"text": "something else"})
    ((before, after),) = fold(after, mesh.events[seen + 1 :])
    assert [entry.kind for entry in teller.news(before, after)] == ["job_accepted", "problem"]


def test_a_time_that_is_none_is_a_question_mark() -> None:
    assert plain.moment(float("inf")).strip() == "?"
    assert plain.moment(0).strip() == "?"
    assert plain.moment(1_760_000_000_123.0) == "2025-10-09 08:53:20.123"


def test_without_special_characters_the_same_is_told() -> None:
    mesh = rescue_story()
    *_, (_, state) = fold(initial_state(primary=peer_of("operator")), mesh.events)
    for entry in state.log:
        assert plain.line(state, entry, ASCII).isascii()
        assert plain.line(state, entry, UNICODE)


async def test_how_things_stand_is_told_once_when_all_of_it_is_known(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "SETTLED_S", 0.0)
    mesh = Feeder()
    mesh.start()
    more = asyncio.Event()

    async def slowly() -> AsyncIterator[Event]:
        for event in mesh.events:
            yield event
        await more.wait()

    following = asyncio.create_task(
        follow(slowly(), initial_state(primary=peer_of("operator")), Lines(as_json=False))
    )
    said = ""
    async with asyncio.timeout(5):
        while "providers up" not in said:
            await asyncio.sleep(0)
            said += capsys.readouterr().out
    more.set()
    await following
    said += capsys.readouterr().out
    assert said.count("6 of 6 providers up, 0 open jobs") == 1


async def test_telling_ends_with_the_mesh() -> None:
    mesh = Feeder()
    mesh.start()
    mesh.action("down", [], "whisper-tui down")
    mesh.tell("supervisor", "source", {"node": "supervisor", "state": "live", "peer": "", "retry_ms": 0})
    mesh.tell("supervisor", "source", {"node": "supervisor", "state": "stale", "peer": "", "retry_ms": 9})
    forever = asyncio.Event()

    async def events() -> AsyncIterator[Event]:
        for event in mesh.events:
            yield event
        await forever.wait()

    async with asyncio.timeout(5):
        await follow(events(), initial_state(primary=peer_of("operator")), Lines(as_json=True))


def test_a_reader_that_leaves_is_no_error() -> None:
    program = """
import sys
from whisper_tui.commands.plain import unread
with unread():
    while True:
        sys.stdout.write("line\\n")
        sys.stdout.flush()
"""
    ours, theirs = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", program], stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    os.read(ours, 5)
    os.close(ours)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, b"")


def test_telling_in_text_never_imports_textual() -> None:
    code = "import sys, whisper_tui.commands.plain; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
