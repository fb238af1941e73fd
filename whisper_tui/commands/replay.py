"""`replay` and `recordings`: what was recorded, in the console, and what there is."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

from mesh_core.api.schema import Event
from whisper_tui.commands.console import has_terminal
from whisper_tui.commands.output import print_json, print_line, print_table
from whisper_tui.commands.plain import Lines, unread
from whisper_tui.config.in_force import Flags, in_force
from whisper_tui.config.reading import load
from whisper_tui.errors import BadInput
from whisper_tui.model.numbers import counted
from whisper_tui.model.reducer import reduce
from whisper_tui.model.times import is_time
from whisper_tui.program import typed
from whisper_tui.recording.folder import runs_in
from whisper_tui.recording.opening import Recording, about_run, open_recording, unreadable
from whisper_tui.recording.timeline import Damaged, Timeline
from whisper_tui.script.recorded import Past
from whisper_tui.supervisor.rundir import RunDir

TIMES = "a time of day 12:00:03, a moment 2026-01-01T12:00:03, or +90 for seconds after the beginning"


class Silence:
    """A source of no events."""

    async def events(self) -> AsyncIterator[Event]:
        """Nothing, for ever."""
        await asyncio.Event().wait()
        yield  # type: ignore[misc]  # an iterator all the same


def replay(path: Path, at: str | None, flags: Flags, lines: Lines | None) -> int:
    """The console on a recording, or all of it as `lines`, also where there is no terminal; BadInput with one line when it is
    no recording, or the time is none of it."""
    recording = open_recording(path)
    at_ms = None
    if at is not None:
        at_ms = moment_of(at, recording.timeline)
        try:
            recording.timeline.position_at(at_ms)
        except Damaged as error:
            raise unreadable(path, error) from error
    if lines is not None or not has_terminal():
        with unread():
            tell(recording, at_ms or 0.0, lines or Lines(as_json=False, ascii_only=flags.ascii))
        return 0
    return asyncio.run(_session(recording, at_ms, flags))


def tell(recording: Recording, from_ms: float, lines: Lines) -> None:
    """What was recorded from that time on."""
    state = recording.initial
    for event in recording.events():
        before, state = state, reduce(state, event)
        if event.at_ms >= from_ms:
            lines.tell(before, state)


async def _session(recording: Recording, at_ms: float | None, flags: Flags) -> int:
    from whisper_tui.app import ConsoleOptions, run_console  # noqa: PLC0415 - Textual takes its time

    configuration = load(flags.config)
    if flags.theme is not None:
        os.environ.pop("NO_COLOR", None)  # what is typed counts more than what is set for good
    settings = in_force(configuration, flags)
    options = ConsoleOptions(
        primary=recording.about.primary,
        exec_delay_ms=recording.about.exec_delay_ms,
        exports=Path.cwd(),
        greeting=f"{recording.path}: recorded {_day(recording.timeline.began_ms)}",
        read_only=True,
        only_reading=True,
        ascii=bool(settings["ascii"].value),
        theme=str(settings["theme"].value),
        hz=int(settings["refresh_hz"].value),
        mouse=bool(settings["mouse"].value),
        typed=typed,
        keys=configuration.keys,
        replay=recording.timeline,
        at_ms=at_ms,
    )
    await run_console(Silence(), Past(), options=options)
    return 0


def moment_of(word: str, timeline: Timeline) -> float:
    """The wall clock, in milliseconds, that `--at` names; BadInput for what is no time, or not of this recording."""
    began, ended = timeline.began_ms, timeline.ended_ms
    if found := re.fullmatch(r"\+([0-9]{1,9}(?:\.[0-9]{1,3})?)", word):
        at_ms = began + float(found[1]) * 1000
    else:
        at_ms = _moment(word, began)
    # A time that is written to the second means all of it.
    if not began - 1000 <= at_ms <= ended + 1000:
        raise BadInput(
            f"--at {word}: the recording goes from {_day(began)} to {_day(ended)}", f"name {TIMES}"
        )
    return at_ms


def _moment(word: str, began_ms: float) -> float:
    begin = datetime.fromtimestamp(began_ms / 1000 if is_time(began_ms) else 0).astimezone()
    try:
        if re.fullmatch(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?", word):
            time = datetime.fromisoformat(
                f"2000-01-01T{word.zfill(5) if word.count(':') == 1 else word.zfill(8)}"
            )
            moment = begin.replace(
                hour=time.hour, minute=time.minute, second=time.second, microsecond=time.microsecond
            )
            # A run that goes past midnight: the first such time after it began.
            if moment < begin - timedelta(seconds=1):
                moment += timedelta(days=1)
        else:
            moment = datetime.fromisoformat(word).astimezone()
    except ValueError:
        raise BadInput(f"--at {word}: that is no time", f"name {TIMES}") from None
    return moment.timestamp() * 1000


def recordings(run: RunDir, as_json: bool) -> int:
    """What was recorded in a run directory, the newest last."""
    rows = []
    for found in runs_in(run.recordings):
        about = about_run(found)
        if about is not None:
            ended_ms = found.segments[-1].stat().st_mtime * 1000
            rows.append((found, about, ended_ms))
    if as_json:
        print_json(
            [
                {
                    "path": str(found.folder),
                    "began_ms": about.run,
                    "ended_ms": ended_ms,
                    "bytes": found.bytes,
                    "segments": len(found.segments),
                    "providers": about.providers,
                    "network": about.network,
                    "program": about.program,
                }
                for found, about, ended_ms in rows
            ]
        )
        return 0
    print_table(
        ["BEGAN", "LASTED", "PROVIDERS", "SIZE", "FOLDER"],
        [
            [
                _day(about.run),
                _lasted(ended_ms - about.run),
                about.providers,
                f"{found.bytes / 1024:.0f} KiB",
                str(found.folder),
            ]
            for found, about, ended_ms in rows
        ],
        "nothing was recorded here",
    )
    if rows:
        print_line(typed("open the newest:  whisper-tui replay", run.root))
    return 0


def _day(ms: float) -> str:
    if not is_time(ms):
        return "at an unknown time"
    return f"{datetime.fromtimestamp(ms / 1000).astimezone():%Y-%m-%d %H:%M:%S}"


def _lasted(ms: float) -> str:
    seconds = max(0, round(ms / 1000))
    if seconds < 120:
        return counted(seconds, "second")
    if seconds < 7_200:
        return counted(seconds // 60, "minute")
    return counted(seconds // 3600, "hour")
