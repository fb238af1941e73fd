"""`replay` and `recordings` from the shell: times, lists, and one line for what is wrong."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.unit.recording.runs import ABOUT, Taped, story
from whisper_tui.commands.replay import moment_of, recordings
from whisper_tui.errors import BadInput
from whisper_tui.recording.opening import open_recording
from whisper_tui.recording.timeline import Timeline
from whisper_tui.supervisor.rundir import RunDir


@pytest.fixture
def timeline(tmp_path: Path) -> Timeline:
    Taped(tmp_path).play(story())
    return open_recording(tmp_path).timeline


def local(ms: float) -> datetime:
    return datetime.fromtimestamp(ms / 1000).astimezone()


def test_a_moment_is_named_by_the_clock_by_the_day_or_from_the_beginning(timeline: Timeline) -> None:
    meant = local(timeline.began_ms) + timedelta(seconds=5)
    expected = timeline.began_ms + 5_000
    assert moment_of("+5", timeline) == expected
    for word in (meant.isoformat(), f"{meant:%H:%M:%S.%f}", f"{meant:%Y-%m-%dT%H:%M:%S.%f}"):
        assert moment_of(word, timeline) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("word", ["noon", "25:00", "12:61:00", "+x", "-5", "", "1e9", "２"])
def test_what_is_no_time_is_said_with_what_would_be_one(timeline: Timeline, word: str) -> None:
    with pytest.raises(BadInput, match="that is no time") as refused:
        moment_of(word, timeline)
    assert "12:00:03" in refused.value.hint


@pytest.mark.parametrize("word", ["+100000", "2001-01-01T00:00:00"])
def test_a_time_outside_is_said_with_what_is_inside(timeline: Timeline, word: str) -> None:
    with pytest.raises(BadInput, match="the recording goes from 2025-"):
        moment_of(word, timeline)


@pytest.mark.parametrize("began_ms", [1e300, -1e300, 0.0])
def test_a_recording_that_says_it_began_at_no_time_hides_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], began_ms: float
) -> None:
    run = RunDir(tmp_path)
    sound = Taped(run.recordings)
    sound.play(story()[:50])
    strange = Taped(run.recordings, began_ms=ABOUT.run + 5_000, about=replace(ABOUT, run=began_ms))
    strange.play(story()[:50])
    recordings(run, as_json=False)
    shown = capsys.readouterr().out
    assert str(sound.store.folder) in shown and str(strange.store.folder) not in shown


def test_recordings_are_listed_for_people_and_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunDir(tmp_path)
    recordings(run, as_json=False)
    assert "nothing was recorded here" in capsys.readouterr().out
    taped = Taped(run.recordings)
    taped.play(story())
    (run.recordings / "notes.txt").write_text("not a run")
    recordings(run, as_json=False)
    shown = capsys.readouterr().out
    assert str(taped.store.folder) in shown and "replay" in shown
    recordings(run, as_json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["path"], row["providers"], row["began_ms"]) == (str(taped.store.folder), 6, ABOUT.run)
    assert row["bytes"] == sum(path.stat().st_size for path in taped.segments)


def test_a_run_directory_opens_its_newest_run(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    Taped(run.recordings).play(story()[:100])
    newer = Taped(run.recordings, began_ms=ABOUT.run + 60_000)
    newer.play(story()[:300])
    for path in (tmp_path, run.recordings, newer.store.folder):
        assert open_recording(path).timeline.last == newer.tape.count
