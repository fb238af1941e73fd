"""`serve`: the console in a browser on this machine."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import shlex
import sys

from whisper_tui.commands.output import print_line
from whisper_tui.config.in_force import Flags, in_force
from whisper_tui.config.reading import load
from whisper_tui.contexts import Entrance
from whisper_tui.errors import BadInput


def serve(entrance: Entrance, flags: Flags, context: str | None, port: int, *, allow_actions: bool) -> None:
    """Serve until interrupted. BadInput without the extra or when the port is taken; MeshUnreachable when no mesh answers."""
    if importlib.util.find_spec("textual_serve") is None:
        raise BadInput("serve needs the extra `web`", f"{sys.executable} -m pip install textual-serve")
    in_force(load(flags.config), flags)  # says what is wrong with it here, not in the browser
    asyncio.run(entrance.mesh())
    from aiohttp import web  # noqa: PLC0415 - an extra

    from whisper_tui.web import ConsoleServer  # noqa: PLC0415 - an extra

    logging.disable(logging.INFO)  # the address is a secret: requests are not written down
    server = ConsoleServer(_command(entrance, flags, context, allow_actions=allow_actions), port)

    def told(*_: object) -> None:
        rights = "W allows actions" if allow_actions else "read-only"
        print_line(f"the console, {rights}: {server.url}")
        print_line(f"from elsewhere: ssh -N -L {port}:127.0.0.1:{port} HOST, and the same address there")
        print_line("whoever has the address sees the mesh; Ctrl-C ends it")
        sys.stdout.flush()

    try:
        web.run_app(server.application(), host=server.host, port=port, print=told, access_log=None)
    except OSError as error:
        raise BadInput(f"port {port}: {error.strerror or error}", "choose another with --port N") from error


def _command(entrance: Entrance, flags: Flags, context: str | None, *, allow_actions: bool) -> str:
    """The command line of one page's console."""
    where = [context] if context is not None else ["--run-dir", entrance.where]
    options = [] if allow_actions else ["--read-only"]
    for name, value in (("--config", flags.config), ("--theme", flags.theme)):
        if value is not None:
            options += [name, str(value)]
    program = "from whisper_tui.cli import main; main()"
    return shlex.join([sys.executable, "-c", program, "attach", *where, *options])
