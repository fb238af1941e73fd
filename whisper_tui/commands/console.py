"""Opening the console on a mesh that runs."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import NamedTuple

from whisper_tui.actions.actions import Actions
from whisper_tui.commands.output import print_line
from whisper_tui.config.in_force import NO_FLAGS, Flags, Said, in_force
from whisper_tui.config.reading import load
from whisper_tui.config.schema import Configuration
from whisper_tui.contexts import Entrance, Mesh, RunDirEntrance, entrances, with_here
from whisper_tui.errors import BadInput
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.terminal.ability import in_browser, plain


def has_terminal() -> bool:
    """Whether the console can be opened here. It draws on standard error, which must not be redirected then: BadInput if it
    is. Where it cannot be, events can still be told as text."""
    if in_browser():
        return True
    if not sys.stdin.isatty():
        return False
    if sys.stdout.isatty() and not sys.stderr.isatty():
        raise BadInput(
            "the console draws on standard error, which is redirected", "leave out 2>, or add --no-console"
        )
    if sys.stderr.isatty() and (name := plain()):
        sys.stderr.write(f"no console: this terminal says TERM={name}, which takes text only\n")
        return False
    return sys.stdout.isatty() and sys.stderr.isatty()


class Rights(NamedTuple):
    """Whether the console begins read-only, and whether it stays so whatever is pressed."""

    read_only: bool
    for_good: bool = False


def attach(entrance: Entrance, flags: Flags, *, only_reading: bool) -> int:
    """The console on a mesh that runs already; it only reads until told otherwise, or for good."""
    return _open(entrance, flags, Rights(True, only_reading))


def open_console(run: RunDir, flags: Flags = NO_FLAGS, *, read_only: bool, greeting: str = "") -> int:
    """The console until the operator leaves it, and the mesh taken down if that was the wish. It says `greeting` first."""
    return _open(RunDirEntrance(run), flags, Rights(read_only), greeting)


def entrance_to(context: str, flags: Flags) -> Entrance:
    """The way to a mesh by its name in the configuration; BadInput when it has no such name."""
    configuration = load(flags.config)
    for entrance in entrances(configuration):
        if entrance.name == context:
            return entrance
    names = ", ".join(entrance.name for entrance in entrances(configuration))
    raise BadInput(
        f"no context is called {context}{f'; there are {names}' if names else ''}",
        "contexts stand in the configuration file: whisper-tui config",
    )


def _open(entrance: Entrance, flags: Flags, rights: Rights, greeting: str = "") -> int:
    configuration = load(flags.config)
    settings = in_force(configuration, flags)
    if flags.theme is not None:
        os.environ.pop("NO_COLOR", None)  # what is typed counts more than what is set for good
    asyncio.run(_session(entrance, configuration, settings, rights, greeting))
    return 0


async def _session(
    entrance: Entrance, configuration: Configuration, settings: dict[str, Said], rights: Rights, greeting: str
) -> None:
    """One console after the other, until one is left and not for another mesh."""
    from whisper_tui.app import ConsoleOptions, run_console  # noqa: PLC0415 - Textual takes its time
    from whisper_tui.screens.contexts import Contexts, SwitchTo  # noqa: PLC0415
    from whisper_tui.screens.quit import ExitChoice  # noqa: PLC0415

    mesh = await entrance.mesh()
    theme, read_only = str(settings["theme"].value), rights.read_only or bool(settings["read_only"].value)
    while True:
        # A page of a browser is one console: it ends with it.
        offered = with_here([] if in_browser() else entrances(configuration), mesh.entrance)
        options = ConsoleOptions(
            primary=mesh.primary,
            exec_delay_ms=mesh.exec_delay_ms,
            exports=mesh.exports,
            supervised=mesh.run is not None,
            greeting=" · ".join(filter(None, (greeting, mesh.warning))),
            read_only=read_only,
            only_reading=rights.for_good,
            ascii=bool(settings["ascii"].value),
            theme=theme,
            hz=int(settings["refresh_hz"].value),
            mouse=bool(settings["mouse"].value),
            typed=mesh.typed,
            keys=configuration.keys,
            contexts=Contexts(offered, mesh.entrance.where),
        )
        choice = await run_console(mesh.source, mesh.actions, options=options, records=mesh.records)
        if not isinstance(choice, SwitchTo):
            await _part(mesh, stop=choice is ExitChoice.STOP)
            return
        mesh, theme, read_only = choice.mesh, choice.theme, True
        greeting = f"{mesh.entrance.name or 'the mesh'} at {mesh.entrance.where}"


async def _part(mesh: Mesh, *, stop: bool) -> None:
    """Leave the mesh, or take it down, and say what it does without a console."""
    if in_browser():
        if stop and mesh.run is not None:
            await Actions(mesh.run, "console").down()
    elif mesh.run is None:
        print_line(mesh.typed("`whisper-tui attach` comes back to it"))
    elif stop:
        await Actions(mesh.run, "console").down()
        print_line(mesh.typed("the mesh is down; `whisper-tui up` brings it back as it was"))
    elif mesh.run.running() is not None:
        print_line(mesh.typed("the mesh stays up: `whisper-tui attach` shows it, `whisper-tui down` ends it"))
