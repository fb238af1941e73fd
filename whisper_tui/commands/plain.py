"""`attach --plain`, `up --plain`: a sentence for each event, where no console is wanted or none can be drawn."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager, suppress

import msgspec

from mesh_core.api.schema import Event
from whisper_tui.contexts import Entrance, Mesh
from whisper_tui.model import plain
from whisper_tui.model.glyphs import ASCII, UNICODE
from whisper_tui.model.inert import inert_json
from whisper_tui.model.reducer import reduce
from whisper_tui.model.state import State, initial_state

SETTLED_S = 0.3
"""How things stand is told when nothing more has come for so long: at first every view comes at once."""


class Lines:
    """Writes what happens to standard output, a line for each event, at once."""

    def __init__(self, *, as_json: bool, ascii_only: bool = False) -> None:
        self._as_json = as_json
        self._teller = plain.Teller()
        encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
        self._glyphs = UNICODE if encoding == "utf8" and not ascii_only else ASCII

    def tell(self, before: State, after: State) -> None:
        """What `after` has in its log and `before` had not."""
        for entry in self._teller.news(before, after):
            if self._as_json:
                told = msgspec.json.encode(plain.fields(after, entry, self._glyphs))
                self._write(inert_json(told.decode()))
            else:
                self._write(plain.line(after, entry, self._glyphs))

    def standing(self, state: State) -> None:
        """How things stand, for people."""
        if not self._as_json:
            self._write(f"{plain.moment(state.now_ms)} {self._glyphs.event} {plain.standing(state)}")

    def _write(self, line: str) -> None:
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(line.encode(encoding, "replace").decode(encoding) + "\n")
        sys.stdout.flush()


async def follow(events: AsyncIterator[Event], state: State, lines: Lines) -> None:
    """Tell what happens until the mesh is stopped."""
    standing = _Standing(lines)
    try:
        async for event in events:
            before, state = state, reduce(state, event)
            lines.tell(before, state)
            standing.seen(state)
            if state.stopped:
                return
    finally:
        standing.cancel()


class _Standing:
    """Tells once how things stand, as soon as all of it is known."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._timer: asyncio.TimerHandle | None = None
        self._told = False

    def seen(self, state: State) -> None:
        """There is something new."""
        if not self._told:
            self.cancel()
            self._timer = asyncio.get_running_loop().call_later(SETTLED_S, self._tell, state)

    def cancel(self) -> None:
        """Tell nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tell(self, state: State) -> None:
        self._told = True
        with suppress(BrokenPipeError):
            self._lines.standing(state)


async def until_interrupted(work: Awaitable[None]) -> bool:
    """Do `work` until it is done or Ctrl-C is pressed; whether that was pressed."""
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    working = asyncio.ensure_future(work)
    waiting = asyncio.create_task(interrupted.wait())
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not interrupted.is_set():
        working.result()
        return False
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    return True


@contextmanager
def unread() -> Iterator[None]:
    """Within the block whoever was reading may leave (`… | head`): then there is nobody to tell, and nothing to complain of."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def attach(entrance: Entrance, *, as_json: bool, ascii_only: bool) -> int:
    """Tell what happens in a mesh that runs, until it is stopped or Ctrl-C is pressed. MeshUnreachable when none runs."""
    lines = Lines(as_json=as_json, ascii_only=ascii_only)
    with unread():
        asyncio.run(_attached(entrance, lines))
    return 0


async def _attached(entrance: Entrance, lines: Lines) -> None:
    mesh = await entrance.mesh()
    if mesh.warning:
        sys.stderr.write(f"{mesh.warning}\n")
    sys.stderr.write(mesh.typed(f"following {mesh.entrance.where}; Ctrl-C leaves it running\n"))
    await until_interrupted(following(mesh, lines))


async def following(mesh: Mesh, lines: Lines) -> None:
    """Tell what happens in `mesh` until it is stopped."""
    supervised = mesh.run is not None
    state = initial_state(primary=mesh.primary, exec_delay_ms=mesh.exec_delay_ms, supervised=supervised)
    source = mesh.source
    try:
        await follow(source.events(), state, lines)
    finally:
        await source.aclose()
