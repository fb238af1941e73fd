"""One child process: started with the lifeline, watched without polling, signalled as a group.

Each child leads a process group inside the supervisor's session. That is what ends a *paused* child when the
supervisor dies: the kernel sends SIGHUP and SIGCONT to stopped groups that become orphaned.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from axl.lifeline import LIFELINE_VARIABLE
from whisper_tui.supervisor.schema import GONE, WORKING, ProcessState, ProcessView

SECRET_MARKS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
GRACE_S = 3.0
"""How long processes may take to end on SIGTERM before they are killed."""

STOPPED_BY_ANOTHER = "stopped by a signal that this program did not send"

NOTE_BYTES = 4096
NOTE_CHARS = 300

# A program that knows nothing of the lifeline gets a watcher: a shell that reads it and, at its end, kills the
# program it has become the child of. The watcher dies with the program's group.
FOREIGN = 'exec 3<&0; { read -r _ <&3; kill -KILL $$; } & exec "$@" 3<&- </dev/null'


@dataclass(frozen=True)
class Command:
    """What to run. `foreign` programs do not watch the lifeline themselves. `out` gets stdout and stderr."""

    argv: Sequence[str]
    cwd: Path
    out: Path
    foreign: bool = False
    piped: bool = False


class Child:
    """A process that may come and go; one object per role, whatever its pid.

    `changed` is called after every change of `view`; it must not raise.
    """

    def __init__(self, view: ProcessView, changed: Callable[[ProcessView], None]) -> None:
        self.view = view
        self._changed = changed
        self._process: subprocess.Popen[bytes] | None = None
        self._command: Command | None = None
        self._asked: ProcessState | None = None
        self._out_from = 0
        self._gone = asyncio.Event()
        self._gone.set()

    @property
    def alive(self) -> bool:
        """Whether there is a process, paused or not."""
        return self._process is not None

    def start(self, command: Command, lifeline: int, env: Mapping[str, str]) -> int | None:
        """Start it; a failure to do so is an exit with a note. Returns the read end of stdout when piped."""
        assert not self.alive, f"{self.view.name} {self.view.part} runs already"
        self._command, self._asked = command, None
        read_end, stdout = os.pipe() if command.piped else (None, None)
        try:
            with command.out.open("ab") as out:
                self._out_from = out.tell()
                self._process = subprocess.Popen(  # noqa: S603 - the argv is ours
                    ["/bin/sh", "-c", FOREIGN, "sh", *command.argv] if command.foreign else command.argv,
                    cwd=command.cwd,
                    env={**env, LIFELINE_VARIABLE: str(lifeline)},
                    stdin=lifeline if command.foreign else subprocess.DEVNULL,
                    stdout=out if stdout is None else stdout,
                    stderr=out,
                    pass_fds=(lifeline,),
                    process_group=0,
                )
        except OSError as error:
            self._set("exited", note=f"cannot be started: {error.strerror}: {error.filename}", exit_code=127)
        else:
            self._gone.clear()
            _watch(self._process, self._ended)
            self._set("starting", pid=self._process.pid)
        finally:
            if stdout is not None:
                os.close(stdout)
        return read_end

    def running(self, note: str = "") -> None:
        """It has shown that it works; `note` may say what it does not do."""
        if self.view.state == "starting" or (self.view.state == "running" and note != self.view.note):
            self._set("running", note=note)

    def look(self, stopped: Container[int]) -> None:
        """Somebody else may have stopped it or let it go on: `stopped` are the pids of processes that are."""
        if self.view.state in WORKING and self.view.pid in stopped:
            self._set("paused", note=STOPPED_BY_ANOTHER)
        elif self.view.note == STOPPED_BY_ANOTHER and self.view.pid not in stopped:
            self._set("running")  # one that was paused on purpose may not have stopped yet

    def absent(self, note: str) -> None:
        """It never came up and is done without."""
        self._set("absent", note=note, exit_code=self.view.exit_code)

    def pause(self) -> None:
        """SIGSTOP."""
        if self.alive and self.view.state in WORKING:
            self._signal(signal.SIGSTOP)
            self._set("paused")

    def resume(self) -> None:
        """SIGCONT for a paused one."""
        if self.view.state == "paused":
            self._signal(signal.SIGCONT)
            self._set("running")

    def kill(self) -> None:
        """SIGKILL; `gone` tells when it has been carried out."""
        if self.alive:
            self._asked = "killed"
            self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM, also for a paused one, which is woken to hear it."""
        if self.alive:
            self._asked = self._asked or "stopped"
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)

    async def gone(self) -> None:
        """Return once there is no process."""
        await self._gone.wait()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        # It may have ended already; of the group of a zombie macOS says that it is not permitted.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _ended(self, code: int) -> None:
        """The process has ended; what is left of its group, the watcher of a foreign one, ends with it."""
        self._signal(signal.SIGKILL)
        self._process = None
        state: ProcessState = self._asked or "exited"
        self._set(state, exit_code=code, note=self._note(code) if state == "exited" else "")
        self._gone.set()

    def _note(self, code: int) -> str:
        assert self._command is not None
        how = f"ended by signal {-code}, {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"
        last = last_line(self._command.out, self._out_from)
        return f"{how}: {last}" if last else how

    def _set(self, state: ProcessState, **fields: int | str | None) -> None:
        """A new view; the exit code and note of an earlier state do not outlive it."""
        fresh: dict[str, int | str | None] = {"pid": self.view.pid, "exit_code": None, "note": ""}
        if state in GONE:
            fresh["pid"] = 0
        self.view = replace(self.view, state=state, since_ms=time.time() * 1000, **{**fresh, **fields})
        self._changed(self.view)


async def end_all(children: Sequence[Child]) -> None:
    """SIGTERM to all, SIGKILL after a grace to what is left; returns when none is a process any more."""
    for child in children:
        child.terminate()
    try:
        async with asyncio.timeout(GRACE_S):
            await all_gone(children)
    except TimeoutError:
        for child in children:
            child.kill()
        await all_gone(children)


async def all_gone(children: Iterable[Child]) -> None:
    """Wait until none of `children` is a process any more."""
    for child in children:
        await child.gone()


def child_environment(own: Mapping[str, str], *needed: str) -> dict[str, str]:
    """What the supervisor and its children inherit: everything but what looks like a secret, save the variables
    `needed`. They may keep compiled bytecode: fourteen processes compiling the same files is a slow start."""
    return {
        name: value
        for name, value in own.items()
        if name in needed
        or (name != "PYTHONDONTWRITEBYTECODE" and not any(mark in name.upper() for mark in SECRET_MARKS))
    }


def last_line(path: Path, start: int = 0) -> str:
    """The last line of a log, from byte `start` on, that says something, cut to `NOTE_CHARS`; else empty."""
    try:
        with path.open("rb") as file:
            file.seek(max(start, file.seek(0, os.SEEK_END) - NOTE_BYTES))
            lines = file.read(NOTE_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:NOTE_CHARS] if said else ""


def _watch(process: subprocess.Popen[bytes], ended: Callable[[int], None]) -> None:
    """Call `ended` with the exit code in the event loop once `process` has ended."""
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # not Linux, or one that does not allow it
        _watch_by_signal(loop, process, ended)
        return

    def readable() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        ended(process.wait())

    loop.add_reader(descriptor, readable)


_awaited: dict[int, tuple[subprocess.Popen[bytes], Callable[[int], None]]] = {}


def _watch_by_signal(
    loop: asyncio.AbstractEventLoop, process: subprocess.Popen[bytes], ended: Callable[[int], None]
) -> None:
    """Where there is no pidfd: look at all awaited children whenever one of them has ended."""
    _awaited[process.pid] = process, ended

    def look() -> None:
        for pid, (awaited, tell) in list(_awaited.items()):
            if (code := awaited.poll()) is not None:
                del _awaited[pid]
                tell(code)

    loop.add_signal_handler(signal.SIGCHLD, look)
    loop.call_soon(look)
