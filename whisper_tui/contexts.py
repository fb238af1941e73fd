"""Meshes that the console can be opened on: the one in a run directory of this machine, and whatever stands behind a
control API."""

from __future__ import annotations

import ipaddress
import os
import string
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import msgspec

from mesh_core.api.client import ControlClient, ControlError, ControlUnavailable
from whisper_tui import ownership
from whisper_tui.actions.actions import Actions
from whisper_tui.actions.remote import RemoteActions
from whisper_tui.config.schema import Configuration
from whisper_tui.errors import BadInput, MeshUnreachable
from whisper_tui.program import typed, typed_at
from whisper_tui.reach import Reach, live_source
from whisper_tui.sources.live import Endpoint, LiveSource
from whisper_tui.sources.records import MeshRecords
from whisper_tui.supervisor.rundir import RunDir

TOKEN_CHARS_MAX = 512


class Mesh(NamedTuple):
    """A mesh that answers, and the way to it. `run` is its run directory if it runs on this machine, `warning` a line to be
    said about the way; `typed` turns `whisper-tui COMMAND` into what works for this mesh in the operator's shell."""

    entrance: Entrance
    source: LiveSource
    actions: Actions | RemoteActions
    records: MeshRecords
    primary: str
    exec_delay_ms: float
    exports: Path
    typed: Callable[[str], str]
    run: RunDir | None = None
    warning: str = ""


class Entrance(Protocol):
    """How a mesh is reached; `name` is empty for one that has none, `where` says where it is."""

    @property
    def name(self) -> str:
        """What it is called in the configuration."""

    @property
    def where(self) -> str:
        """Its run directory, or the URL of a control API."""

    async def mesh(self) -> Mesh:
        """The mesh, once it has answered. UserError with one line when it does not."""
        ...


class RunDirEntrance:
    """To the mesh in a run directory."""

    def __init__(self, run: RunDir, name: str = "") -> None:
        self.run = run
        self.name = name
        self.where = str(run.root)

    async def mesh(self) -> Mesh:
        """The mesh there; MeshUnreachable when none runs."""
        self.run.check()
        reach = Reach(self.run)
        await reach.status()
        plan = reach.plan()
        return Mesh(
            self,
            live_source(self.run, plan),
            Actions(self.run, "console"),
            MeshRecords(reach.askable),
            plan.operator.peer,
            plan.exec_delay * 1000,
            self.run.root / "exports",
            partial(typed, run_dir=self.run.root),
            self.run,
        )


class ControlEntrance:
    """To whatever stands behind a control API: it is looked at through the eyes of the participant that serves it."""

    def __init__(self, control: str, token_file: Path, name: str = "") -> None:
        self.name = name
        self.where = control.rstrip("/")
        self._token_file = token_file
        self.typed = partial(typed_at, control=self.where, token_file=token_file)

    def client(self) -> ControlClient:
        """The control API, with the token; BadInput when that cannot be read."""
        return ControlClient(self.where, read_token(self._token_file))

    def actions(self, by: str) -> RemoteActions:
        """What can be asked for there, in the name of `by`."""
        return RemoteActions(self.client(), folder() / "audit.jsonl", by, self.typed)

    async def mesh(self) -> Mesh:
        """The mesh there; MeshUnreachable when nobody answers, BadInput when the token is not what is wanted there."""
        client = self.client()
        try:
            node = (await client.state()).node
        except ControlError as error:
            raise BadInput(
                f"{self.where} refuses: {error}", f"is {self._token_file} the token of that mesh?"
            ) from error
        except (ControlUnavailable, msgspec.MsgspecError) as error:
            raise MeshUnreachable(
                str(error), "is it up, and the way to it open? ssh -L 9105:127.0.0.1:PORT HOST makes one"
            ) from error

        async def askable() -> list[tuple[str, ControlClient]]:
            return [(node.name, client)]

        token = read_token(self._token_file)
        return Mesh(
            self,
            LiveSource(
                [Endpoint(node.name, self.where, node.peer)], None, lambda url: ControlClient(url, token)
            ),
            self.actions("console"),
            MeshRecords(askable),
            node.peer,
            0.0,
            folder() / "exports",
            self.typed,
            warning=open_to_others(self.where),
        )


def entrances(configuration: Configuration) -> list[Entrance]:
    """The contexts of a configuration."""
    found: list[Entrance] = []
    for context in configuration.contexts:
        if context.run_dir is not None:
            found.append(RunDirEntrance(RunDir(context.run_dir), context.name))
        elif context.token_file is not None:
            found.append(ControlEntrance(context.control, context.token_file, context.name))
    return found


def with_here(configured: Sequence[Entrance], here: Entrance) -> list[Entrance]:
    """The contexts to choose from, the one that is open first unless it is one of them."""
    known = any(entrance.where == here.where for entrance in configured)
    return list(configured) if known else [here, *configured]


def read_token(path: Path) -> str:
    """The token in a file that is the user's own and that nobody else can read; BadInput otherwise. It is never said."""
    try:
        content = ownership.read(
            path.expanduser(), secret=True, other="or name another file with --token-file"
        )
    except OSError as error:
        raise BadInput(
            f"token {path}: {error.strerror}", "it is the file `token` of the mesh's run directory"
        ) from error
    token = content.decode("ascii", "replace").strip()
    if (
        not token
        or len(token) > TOKEN_CHARS_MAX
        or not set(token) <= set(string.ascii_letters + string.digits + "-._~+/=")
    ):
        raise BadInput(f"token {path}: expected one word, as in the file `token` of a run directory")
    return token


def open_to_others(control: str) -> str:
    """A line about a way on which others can read along; empty for one that does not leave the machine."""
    host = urlsplit(control).hostname or ""
    if host == "localhost":
        return ""
    try:
        if ipaddress.ip_address(host).is_loopback:
            return ""
    except ValueError:
        pass  # a name: it is somewhere else
    port = urlsplit(control).port
    return (
        f"{control} is not encrypted, and the token goes with every request: "
        f"better ssh -N -L {port}:127.0.0.1:{port} {host}, and http://127.0.0.1:{port}"
    )


def folder() -> Path:
    """Where is written down what was done, and what was exported, at meshes that do not run here."""
    state = os.environ.get("XDG_STATE_HOME", "")
    root = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return root / "whisper-attached"
