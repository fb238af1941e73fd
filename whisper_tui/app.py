"""The console: events in, frames out, intents to the actions. Textual is imported here and in its widgets only."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

from msgspec import Struct
from textual.app import App
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.screen import Screen
from textual.widget import Widget

from mesh_core.api.schema import FINAL_STATES, Event, JobView
from whisper_tui.browsing import Browser, Records
from whisper_tui.contexts import Entrance
from whisper_tui.errors import UserError
from whisper_tui.exports import write_export
from whisper_tui.intents import Actions, Intents
from whisper_tui.keymap import TITLES, Bound, Key, Keymap
from whisper_tui.model.access import Hindrance, against_asking, against_disturbing
from whisper_tui.model.chosen import peers_of_rows
from whisper_tui.model.glyphs import ASCII, UNICODE, Glyphs
from whisper_tui.model.inert import inert_message
from whisper_tui.model.palette import Command, Offer, commands
from whisper_tui.model.reducer import reduce
from whisper_tui.model.selectors import STRANGE, operator_of
from whisper_tui.model.state import State, initial_state
from whisper_tui.model.views.base import Acting, Frame, Role, Span, Target
from whisper_tui.model.views.header import Running, is_slow, moves
from whisper_tui.recording.history import History
from whisper_tui.recording.timeline import Damaged, Timeline
from whisper_tui.screens.contexts import Contexts, ContextsDialog, SwitchTo
from whisper_tui.screens.dialog import Dialog
from whisper_tui.screens.log import LogView
from whisper_tui.screens.main import MainScreen
from whisper_tui.screens.pager import Pager
from whisper_tui.screens.palette import Palette
from whisper_tui.screens.quit import ExitChoice, QuitDialog
from whisper_tui.screens.view import Kit
from whisper_tui.terminal.ability import in_browser
from whisper_tui.terminal.driver import TerminalDriver
from whisper_tui.terminal.link import Link
from whisper_tui.themes import DEFAULT, MONO, THEMES, Theme
from whisper_tui.travel import Travel
from whisper_tui.widgets.css_theme import css_theme
from whisper_tui.widgets.painting import Painter
from whisper_tui.widgets.table import LineTable

HZ = 4
"""Frames per second."""

BATCH = 256
"""Events taken in before the display gets a turn."""

MESSAGE_S = 8.0


class EventSource(Protocol):
    """Where events come from: live, replayed, simulated."""

    def events(self) -> AsyncIterator[Event]:
        """Events, until there are no more."""
        ...


class ConsoleOptions(Struct, frozen=True):
    """How the console looks and what it starts from.

    `primary` is the operator's peer id, `exec_delay_ms` the configured delay of executions, `exports` the folder for what is
    written down. `greeting` is said at first.
    `replay` is what happened, where nothing happens any more, and `at_ms` the moment that is shown first. `simulated`: in
    virtual time.
    `supervised`: there is a supervisor to ask for actions on processes. `only_reading`: read-only for good. `typed` turns
    `whisper-tui COMMAND` into what works in the operator's shell. `keys` are those bound otherwise, `contexts` the meshes
    to go to. `wall_ms` and `monotonic` are the clocks; tests stop them.
    """

    primary: str = ""
    exec_delay_ms: float = 0.0
    exports: Path | None = Path()
    supervised: bool = True
    greeting: str = ""
    read_only: bool = False
    only_reading: bool = False
    ascii: bool = False
    theme: str = DEFAULT.name
    hz: int = HZ
    mouse: bool = True
    replay: Timeline | None = None
    at_ms: float | None = None
    simulated: bool = False
    typed: Callable[[str], str] = str
    keys: Mapping[str, Bound] = {}
    contexts: Contexts = Contexts()
    wall_ms: Callable[[], float] = lambda: time.time() * 1000
    monotonic: Callable[[], float] = time.monotonic


async def run_console(
    source: EventSource, actions: Actions, *, options: ConsoleOptions, records: Records | None = None
) -> ExitChoice | SwitchTo:
    """Run the console in this terminal until the operator leaves; what is to become of the mesh. `records` is where signed
    records are asked for, None where nobody can be asked.

    UserError if there is no terminal to draw on.
    """
    if not in_browser() and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UserError(
            "the console needs a terminal: it reads keys from stdin and draws on stderr",
            "do not redirect them, or use `--no-console` or `--script`",
        )
    # A console without its terminal has nothing to do: it ends with it, also where this signal was ignored (nohup).
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    console = Console(source, actions, options, records)
    choice = await console.run_async(mouse=options.mouse)
    if choice is None and console.return_code:
        raise UserError("the console failed; the mesh goes on", "`whisper-tui attach` opens it again")
    return choice or ExitChoice.LEAVE


class Frozen(NamedTuple):
    """A display that stands still: what it shows, and how many events had been taken in by then."""

    state: State
    taken: int
    now_ms: float


class Console(App[ExitChoice | SwitchTo], inherit_bindings=False):
    """Reduces events as they come and draws at a steady pace, so that a storm of events is one frame."""

    CSS_PATH = "app.tcss"
    TITLE = "whisper"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "quit", show=False)]

    def __init__(
        self, source: EventSource, actions: Actions, options: ConsoleOptions, records: Records | None = None
    ) -> None:
        # Only a console in native colours from its start has them taken away whole; others would turn grey.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self._source = source
        self._options = options
        self.keymap = Keymap(options.keys)
        self.set_keymap({id: bound.keys for id, bound in options.keys.items()})
        self._glyphs: Glyphs = ASCII if options.ascii else UNICODE
        self._painter = Painter(ascii_only=options.ascii)
        self._hz = options.hz
        self._read_only = options.read_only or options.only_reading
        self._state = initial_state(
            primary=options.primary, exec_delay_ms=options.exec_delay_ms, supervised=options.supervised
        )
        self._taken = 0
        self._history = History(self._state)
        replay = options.replay
        self._travel = Travel(
            (lambda: self._history.timeline) if replay is None else (lambda: replay),
            replay=replay is not None,
            monotonic=options.monotonic,
        )
        if options.at_ms is not None:
            self._travel.to(options.at_ms)
        self._frozen: Frozen | None = None
        self._said_at = 0.0
        self._drawn: State | None = None
        self._condition = Running(self._hz)
        self._intents = Intents(
            self,
            actions,
            self._painter,
            state=lambda: self._state,
            say=self.say,
            typed=options.typed,
            monotonic=options.monotonic,
        )
        self._browser = Browser(
            self,
            records,
            self._painter,
            options.monotonic,
            root=lambda: self.main.view,
            changed=self._draw_soon,
        )
        for theme in THEMES.values():
            self.register_theme(css_theme(theme))
        self.wear(MONO if self.no_color else THEMES[options.theme])
        self.set_class(options.ascii, "-ascii")

    def wear(self, theme: Theme) -> None:
        """Look like this from now on."""
        self._painter.wear(theme.styles)
        self.theme = theme.name
        self.set_class(theme.native, "-native")

    # ---------------------------------------------------------------------------------------- life cycle

    def get_default_screen(self) -> Screen[Any]:
        """The screen under everything."""
        return MainScreen(Kit(self._painter, self._glyphs, self._options.monotonic))

    def on_ready(self) -> None:
        """There is a screen to draw on: begin to listen and to draw."""
        self.run_worker(self._ingest(), name="events", exit_on_error=True)
        self.set_interval(1 / self._hz, self.tick)
        self.call_after_refresh(self.draw)
        if self._options.greeting:
            self.say(self._options.greeting)

    async def _ingest(self) -> None:
        async for event in self._source.events():
            before, self._state = self._state, reduce(self._state, event)
            self._history.take(event, before, self._state)
            self._taken += 1
            if self._taken % BATCH == 0:
                await asyncio.sleep(0)

    @property
    def main(self) -> MainScreen:
        """The screen under everything."""
        screen = self.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    @property
    def state(self) -> State:
        """What is known now, whatever is shown."""
        return self._state

    @property
    def frame(self) -> Frame:
        """What is shown now."""
        if self._travel.state is not None:
            return self._frame_of(self._travel.state, self._travel.now_ms)
        if self._frozen is not None:
            return self._frame_of(self._frozen.state, self._frozen.now_ms)
        return self._frame_of(self._state, self._options.wall_ms())

    def _frame_of(self, state: State, now_ms: float) -> Frame:
        return Frame(
            state,
            now_ms,
            self._glyphs,
            self._options.typed,
            self.keymap,
            self._browser.evidence,
            self._acting,
        )

    @property
    def _acting(self) -> Acting:
        if self._options.only_reading or self._travel.is_away or self._travel.is_replay:
            return "never"
        return "locked" if self._read_only else "allowed"

    def tick(self) -> None:
        """Draw a frame, unless it would be the one before."""
        if not self.screen_stack:
            return  # the last tick of a console that closes
        if self._said_at and self._options.monotonic() - self._said_at > MESSAGE_S:
            self._hush()
        if self._link is not None and self._link.is_busy:
            return  # the frame after this one will be newer
        if self._travel.is_playing:
            self._travelled(self._travel.tick)
        was_slow = is_slow(self._condition)
        self._condition = self._condition_now()
        changed = self._drawn is not self.frame.state or is_slow(self._condition) != was_slow
        if changed or self._frozen is not None or self._moves():
            if self._link is not None:
                self._link.calm()
            self.draw()

    def _draw_soon(self) -> None:
        self.call_after_refresh(self.draw)

    def _moves(self) -> bool:
        return moves(self.frame) or self.main.shown.moves(self.frame)

    def draw(self) -> None:
        """Draw a frame; widgets redraw only the cells that differ from the one before."""
        frame, running = self.frame, self._condition_now()
        self._drawn = frame.state
        if isinstance(self.screen, Pager):
            self._browser.ask_for(frame, self.screen.target)
            self.screen.sync(frame)
        else:
            self.main.sync(frame, running)
            if isinstance(self.screen, Dialog):
                self.screen.redraw_shown()

    def _condition_now(self) -> Running:
        behind = self._taken - self._frozen.taken if self._frozen else 0
        frame_s = self._link.frame_s if self._link is not None else 0.0
        link_hz = 1 / frame_s if frame_s else math.inf
        frozen, moment = self._frozen is not None, self._travel.moment()
        simulated = self._options.simulated
        only_reading = self._options.only_reading
        return Running(self._hz, link_hz, self._read_only, frozen, behind, moment, simulated, only_reading)

    def say(self, message: str, role: Role = "text") -> None:
        """Show a message for a while."""
        self._said_at = self._options.monotonic()
        self._say(Span(inert_message(message), role))

    def _hush(self) -> None:
        self._said_at = 0.0
        self._say(None)

    def _say(self, message: Span | None) -> None:
        self.main.say(message)
        if isinstance(self.screen, Pager):
            self.screen.say(message)

    # ------------------------------------------------------------------------------------------ terminal

    def get_driver_class(self) -> type[Driver]:
        """Textual's choice; for a terminal the one that sends differences only."""
        chosen = super().get_driver_class()
        return TerminalDriver if chosen is LinuxDriver else chosen

    @property
    def _link(self) -> Link | None:
        return self._driver.link if isinstance(self._driver, TerminalDriver) else None

    def action_redraw(self) -> None:
        """Something else has written on the terminal."""
        if self._link is not None:
            self._link.repaint()

    # ------------------------------------------------------------------------------------------- viewing

    def action_view(self, id: str) -> None:
        """Show the view that this key is for."""
        self.main.show(id)

    def action_next_pane(self) -> None:
        """To the next pane."""
        self.main.shown.next_pane()
        self.call_after_refresh(self.draw)

    def action_previous_pane(self) -> None:
        """To the pane before."""
        self.main.shown.next_pane(-1)
        self.call_after_refresh(self.draw)

    def action_freeze(self) -> None:
        """Stop the display, or let it catch up; in a replay let time pass, or stand still."""
        if self._travel.is_replay:
            self._travelled(self._travel.play_or_pause)
            return
        frozen = Frozen(self._state, self._taken, self._options.wall_ms())
        self._frozen = frozen if self._frozen is None else None
        self.draw()

    def action_step_back(self) -> None:
        """To the event before what is shown."""
        self._travelled(self._travel.back)

    def action_step_forward(self) -> None:
        """To the next event; from the last one to now."""
        self._travelled(self._travel.forward)

    def action_incident_before(self) -> None:
        """To the incident before what is shown."""
        self._travelled(self._travel.incident_before, "there is no incident before this")

    def action_incident_after(self) -> None:
        """To the next incident."""
        self._travelled(self._travel.incident_after, "there is no incident after this")

    def action_live(self) -> None:
        """To now; in a replay to its end."""
        self._travelled(self._travel.live)

    def _travelled(self, go: Callable[[], bool], otherwise: str = "") -> None:
        """Go somewhere and draw it; say why not where it leads nowhere."""
        try:
            if not go():
                self.say(otherwise)
        except Damaged as error:
            self.say(str(error), "warn")
        self.draw()

    def on_log_view_newest(self) -> None:
        """The newest entry of the log is one of now."""
        self._travelled(self._travel.live)

    def action_export(self) -> None:
        """Write the list or page down."""
        screen = self.screen
        shown = screen if isinstance(screen, Pager) else self.main.shown
        exported = shown.export(self.frame)
        self._write(*exported)

    def action_picture(self) -> None:
        """Write a picture of the screen down."""
        self._write("screen", "svg", self.export_screenshot(simplify=True))

    def _write(self, name: str, suffix: str, text: str) -> None:
        try:
            if self._options.exports is None:
                raise UserError("there is no folder for files", "a script names one with --captures")
            path = write_export(self._options.exports, name, suffix, text, self._options.wall_ms())
        except UserError as error:
            self.say(f"{error.message}; {error.hint}", "warn")
        else:
            self.say(f"written: {path}")

    def action_read_only(self) -> None:
        """Allow actions, or refuse them."""
        if self._options.only_reading:
            self.say("this console was opened to read only, whatever is pressed", "warn")
            return
        self._read_only = not self._read_only
        self.say("read-only: actions are refused" if self._read_only else "actions are allowed")
        self.draw()

    def action_help(self) -> None:
        """Show all keys."""
        self._open(Target("help", ""))

    def on_line_table_opened(self, message: LineTable.Opened) -> None:
        """Open what a row stands for."""
        self._open(Target(message.page, message.key))

    def on_pager_opened(self, message: Pager.Opened) -> None:
        """Open what a link leads to."""
        self._open(message.target)

    def _open(self, target: Target) -> None:
        def left(chosen: str | None) -> None:
            self.call_after_refresh(self.draw)
            if chosen is not None:
                self._cancel(target.key, chosen)

        is_job = target.page == "job"
        self._browser.open(self.frame, target, lambda: is_job and self._can_cancel(target.key), left)
        self.call_after_refresh(self.draw)

    def _can_cancel(self, job: str) -> bool:
        view = self._open_job(job)
        mine = view is not None and view.submitter == operator_of(self._state)
        return mine and self._acting == "allowed" and not against_asking(self._state)

    def _open_job(self, job: str | None) -> JobView | None:
        entry = self._state.jobs.get(job or "")
        return entry.view if entry is not None and entry.view.state not in FINAL_STATES else None

    def on_line_table_copied(self, message: LineTable.Copied) -> None:
        """Copy an id to the clipboard of the terminal (OSC 52)."""
        self._copy(message.key)

    def on_pager_copied(self, message: Pager.Copied) -> None:
        """The same for what a link leads to."""
        self._copy(message.key)

    def _copy(self, key: str) -> None:
        key = key.partition(STRANGE)[0]  # of another's question, its own id
        self.copy_to_clipboard(key)
        self.say(f"copied {key[:16]}…")

    # ------------------------------------------------------------------------------------------- palette

    def action_palette(self) -> None:
        """Choose what to do by its name."""
        focused = self.main.focused
        keys = tuple(key for key in self._keys_by_name() if self._doer(key, focused) is not None)
        offer = Offer(
            keys, tuple(entrance.name for entrance in self._options.contexts.offered if entrance.name)
        )
        palette = Palette(
            lambda typed: commands(self.frame.state, offer, typed),
            self._painter,
            self._glyphs.cursor,
            self._options.monotonic,
        )
        self.push_screen(palette, self._command)

    def _keys_by_name(self) -> list[Key]:
        return [key for context in TITLES for key in self.keymap.of(context) if key.id != "palette"]

    def _doer(self, key: Key, focused: Widget | None) -> DOMNode | None:
        """Who does what a key stands for: the console, or where keys go now; None where it does nothing."""
        if key.context in ("views", "chaos") or hasattr(self, f"action_{key.id}"):
            return self if key.context in ("views", "everywhere", "time", "chaos") else None
        return focused if key.context in ("tables", "log") and hasattr(focused, f"action_{key.id}") else None

    def _command(self, command: Command | None) -> None:
        """Do what was chosen."""
        if command is None:
            return
        first = command.words[0]
        match command.kind:
            case "key":
                self.call_after_refresh(self._do_key, first)
            case "chaos":
                self._disturb(first, command.words[1:] or None)
            case "theme":
                self.wear(THEMES[first])
            case "context":
                self._go_to(next(each for each in self._options.contexts.offered if each.name == first))
            case "open":
                self._open(Target(first, command.words[1]))
            case "cancel":
                self._cancel(first, "cancel_job")
            case "submit":
                self._submit(first)
            case "filter":
                focused = self.main.focused
                if isinstance(focused, LineTable | LogView):
                    focused.filter(first)

    async def _do_key(self, id: str) -> None:
        (key,) = (key for key in self._keys_by_name() if key.id == id)
        if key.context == "views":
            self.main.show(id)
        else:
            await self.run_action(id, default_namespace=self._doer(key, self.main.focused))

    # ------------------------------------------------------------------------------------------ contexts

    def action_contexts(self) -> None:
        """Choose another mesh."""
        options = self._options
        dialog = ContextsDialog(options.contexts, self._painter, self._glyphs.cursor, options.monotonic)
        self.push_screen(dialog, self._go_to)

    def _go_to(self, entrance: Entrance | None) -> None:
        if entrance is not None:
            self.say(f"asking {entrance.where} …")
            self.run_worker(self._enter(entrance), group="contexts", exclusive=True, exit_on_error=False)

    async def _enter(self, entrance: Entrance) -> None:
        """Leave for a mesh that answers; stay where it does not."""
        try:
            mesh = await entrance.mesh()
        except UserError as error:
            self.say("; ".join(filter(None, (error.message, error.hint))), "warn")
        else:
            self.exit(SwitchTo(mesh, self.theme))

    # ------------------------------------------------------------------------------------------ quitting

    async def action_quit(self) -> None:
        """Ask whether the mesh stays up; of a replay there is nothing to ask."""
        if self._travel.is_replay:
            self.exit(ExitChoice.LEAVE)
        elif not isinstance(self.screen, QuitDialog):
            options = self._options
            back, allow = (self.keymap.shown(id).split()[0] for id in ("back", "read_only"))
            dialog = QuitDialog(
                self._painter,
                options.monotonic,
                options.typed,
                lambda: self._state,
                may_stop=not self._read_only,
                how="" if options.only_reading else f"; {back}, then {allow} allows more",
            )
            self.push_screen(dialog, self._leave)

    def action_help_quit(self) -> None:
        """Textual's answer to Ctrl-C is a hint; here it is the question."""
        self.call_next(self.action_quit)

    def _leave(self, choice: ExitChoice | None) -> None:
        if choice is not None:
            self.exit(choice)

    # ------------------------------------------------------------------------------------------- actions

    def action_submit(self) -> None:
        """Ask the mesh something."""
        self._submit()

    def _submit(self, text: str = "") -> None:
        if self._may_act(against_asking):
            self._intents.submit(text)

    def action_chaos(self) -> None:
        """Choose what happens to the chosen nodes; they are bound now, by peer id."""
        self._disturb()

    def _disturb(self, deed: str | None = None, peers: Sequence[str] | None = None) -> None:
        """Do it to these, else to the chosen ones."""
        if self._may_act(against_disturbing):
            table = self.main.focused
            chosen = table.chosen if isinstance(table, LineTable) else ()
            acted = table.clear_marks if isinstance(table, LineTable) and peers is None else _nothing
            self._intents.disturb(peers or peers_of_rows(self._state, chosen), acted, deed)

    def _cancel(self, job: str, chosen: str | None) -> None:
        if chosen == "cancel_job" and self._may_act(against_asking):
            self._intents.cancel(job)

    def _may_act(self, against: Callable[[State], Hindrance | None]) -> bool:
        """Whether nothing stands against it; what does is said."""
        if self._travel.is_replay:
            self.say("this is a recording: nothing can be done to it any more", "warn")
            return False
        if self._travel.is_away:
            self.say(f"this is the past: {self.keymap.shown('live')} goes back to now", "warn")
            return False
        if self._read_only:
            key = "" if self._options.only_reading else f": {self.keymap.shown('read_only')} allows actions"
            self.say(f"read-only{key or ', opened so for good'}", "warn")
            return False
        hindrance = against(self._state)
        if hindrance is not None:
            self.say(self._options.typed(hindrance.told), "warn")
        return hindrance is None


def _nothing() -> None:
    """There was nothing to unmark."""
