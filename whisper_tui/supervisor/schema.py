"""What the supervisor says of the processes it runs: its own API, in the envelope of the control APIs.

`GET /status` answers a `Status`, `GET /events` is a stream of `mesh_core.api.schema.Event` whose `node` is
`SUPERVISOR`: views of kind `process` (the latest wins) and moments of kind `action` and `ready`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from mesh_core.chain.ens.schema import ChainView, NameView
from whisper_tui.supervisor.plan import Plan

SUPERVISOR = "supervisor"

Part: TypeAlias = Literal["provider", "axl", "model", "recorder", "chain", "registrar"]
"""`provider` is a participant's mesh process whatever its role; `model` is the shared model server, `recorder` keeps what
happens, `chain` is the one that names are on when it is this machine's own, `registrar` writes and reads names."""

ProcessState: TypeAlias = Literal["starting", "running", "paused", "killed", "exited", "stopped", "absent"]
"""`killed` and `stopped` were asked for, `exited` was not; `absent` never came up and is done without."""

GONE: frozenset[str] = frozenset({"killed", "exited", "stopped", "absent"})
WORKING: frozenset[str] = frozenset({"starting", "running"})


class ProcessView(Struct, frozen=True):
    """View `process`. `peer` and `control_port` are those of its participant, empty and 0 for the model.

    `exit_code` is negative for a signal; `note` is one line, for people: why it ended, the model's url.
    """

    name: str
    part: Part
    peer: str = ""
    control_port: int = 0
    pid: int = 0
    state: ProcessState = "stopped"
    exit_code: int | None = None
    since_ms: float = 0.0
    note: str = ""


class ActionMoment(Struct, frozen=True):
    """Moment `action`: something done to the mesh. `command` is the command line that does the same."""

    action: str
    targets: list[str]
    by: str
    at_ms: float
    command: str


class Status(Struct, frozen=True):
    """`GET /status`. `sides` are the two sides of a partition, empty when there is none; `chain` and `names` are what the
    registrar has told of them."""

    pid: int
    run_dir: str
    started_ms: float
    ready: bool
    plan: Plan
    processes: list[ProcessView]
    sides: list[list[str]]
    chain: ChainView | None = None
    names: list[NameView] = []


class Outcome(Struct, frozen=True):
    """Answer to a command: what was done and when, and the processes it concerned as they are now.

    `skipped` has a line about each participant that needed nothing to be done; `sides` are those of a partition from now
    on, empty when there is none, and `replaced` those of the one whose place it takes.
    """

    action: ActionMoment
    processes: list[ProcessView]
    skipped: list[str] = []
    sides: list[list[str]] = []
    replaced: list[list[str]] = []
