"""The recorder between a mesh that talks and a disk that may refuse."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.unit.recording.runs import ABOUT, folded, story
from tests.unit.recording.test_recording import Breaking, timeless
from whisper_tui.model.state import initial_state
from whisper_tui.recording import recorder as module
from whisper_tui.recording.folder import Folder
from whisper_tui.recording.opening import open_recording
from whisper_tui.recording.recorder import Recorder
from whisper_tui.recording.tape import Tape


async def test_what_happens_is_written_soon_and_then_nothing_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 0.0)
    written = asyncio.Event()
    store = Folder(tmp_path, ABOUT.run)
    tape = Tape(store, ABOUT, initial_state())
    recorder = Recorder(tape)
    for event in story()[:100]:
        recorder.take(event)
    assert tape.has_news and not recorder.is_idle
    append = store.append

    def appended(data: bytes) -> None:
        append(data)
        written.set()

    monkeypatch.setattr(store, "append", appended)
    async with asyncio.timeout(10):
        await written.wait()
    timeline = open_recording(tmp_path).timeline
    assert timeless(timeline.at(timeline.last)) == timeless(folded(story()[:100]))
    assert recorder.is_idle


async def test_a_full_disk_is_said_and_asked_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Breaking(Folder(tmp_path, ABOUT.run))
    recorder = Recorder(Tape(store, ABOUT, initial_state()))
    store.full = True
    for event in story()[:50]:
        recorder.take(event)
    assert capsys.readouterr().err.count("No space left on device") == 1
    store.full = False
    monkeypatch.setattr(recorder, "_refused_until", 0.0)
    for event in story()[50:]:
        recorder.take(event)
    recorder.flush()
    timeline = open_recording(tmp_path).timeline
    assert timeless(timeline.at(timeline.last)) == timeless(folded(story()))
