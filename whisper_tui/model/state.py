"""The operator's picture of the mesh: immutable, bounded, made of what participants and the supervisor reported.

Every mapping is replaced, never changed, so a state can be kept, compared and drawn while the next one is
made. Peers are 64 hex characters, times wall-clock milliseconds of the reporter (one machine in a local mesh).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from mesh_core.api.schema import (
    JobView,
    MemberState,
    MemberView,
    NodeView,
    OpenedView,
    QueryView,
    RecordView,
    ReplicaView,
)
from mesh_core.chain.ens.schema import ChainView, NameView

SUPERVISOR = "supervisor"
"""`Event.node` of events that come from the operator's side and not from a member."""

OPERATOR_KINDS: frozenset[str] = frozenset({"process", "action", "source", "chain", "ens"})
"""Event kinds only the operator's side may report; a member's word on them is dropped."""

JOBS_KEPT = 2_000
"""Jobs in the state; beyond it the oldest final ones shrink to a `Tally`."""

MEMBERS_KEPT = 1_000
"""Members in the state and in one observer's sights; beyond it those that are gone are dropped, oldest first."""

ENS_KEPT = 512
"""Names in the state, the newest ones."""

RECORDS_KEPT = 500
LOG_KEPT = 2_000
INCIDENTS_KEPT = 200
QUERIES_KEPT = 200
ANSWERS_KEPT = 500
TEXT_KEPT = 16_384
"""Characters kept of a growing answer, the newest ones."""

Part: TypeAlias = Literal["provider", "axl", "model", "recorder", "chain", "registrar"]
ProcessState: TypeAlias = Literal["starting", "running", "exited", "killed", "paused", "stopped", "absent"]
SourceState: TypeAlias = Literal["live", "stale", "lost"]
DOWN: frozenset[str] = frozenset({"exited", "killed", "paused", "stopped", "absent"})
"""States of a process that does not answer."""

Version: TypeAlias = tuple[int, int]
"""(generation of the stream, seq): grows with every event of one reporter, also across its restarts."""


class Process(Struct, frozen=True):
    """One process of a participant, as its supervisor last reported it. `exit_code` is None while it runs.

    `peer` and `control_port` may be missing from a report. `version` and `since_ms` are set by the reducer.
    """

    name: str
    part: Part
    state: ProcessState
    pid: int = 0
    exit_code: int | None = None
    note: str = ""
    peer: str = ""
    control_port: int | None = None
    version: Version = (-1, 0)
    since_ms: float = 0.0


class Source(Struct, frozen=True):
    """The event stream of one participant (or of the supervisor). `fresh` says it started anew, not resumed."""

    node: str
    state: SourceState
    peer: str = ""
    fresh: bool = False
    retry_ms: int = 0
    reason: str = ""
    since_ms: float = 0.0


class Action(Struct, frozen=True):
    """Something the operator did to the mesh. `command` is the command line that does the same."""

    action: str
    targets: list[str]
    by: str
    at_ms: float
    command: str


class Sight(Struct, frozen=True):
    """How one observer sees one member. `since_ms`: when it began to see it so; `neighbour`: a link to it is up."""

    state: MemberState
    since_ms: float
    version: Version
    neighbour: bool = False


class Observer(Struct, frozen=True):
    """What one participant says of itself, of its replica and of the members.

    `moments` is the version of its newest moment; `generation` counts streams that started anew.
    """

    peer: str
    generation: int = 0
    moments: Version = (0, 0)
    node: NodeView | None = None
    node_version: Version = (-1, 0)
    replica: ReplicaView | None = None
    replica_version: Version = (-1, 0)
    replica_ms: float = 0.0
    sights: Mapping[str, Sight] = {}


class Entry(Struct, frozen=True):
    """A job as the `reporter` last reported it. `seen_ms` is when; remaining lease time counts from there."""

    view: JobView
    reporter: str
    version: Version
    seen_ms: float


class MemberEntry(Struct, frozen=True):
    """A member as the `reporter` last reported it."""

    view: MemberView
    reporter: str
    version: Version


class QueryEntry(Struct, frozen=True):
    """A question as its own node last reported it."""

    view: QueryView
    reporter: str
    version: Version


class Fate(Struct, frozen=True):
    """The values under which a job was reported settled: (outcome, holder, price). More than one is an alarm."""

    values: frozenset[tuple[str, str, int]]


class Tally(Struct, frozen=True):
    """Sums over final jobs that are no longer kept one by one."""

    submitted: int = 0
    settled: int = 0
    settled_twice: int = 0
    executions: int = 0
    rescued: int = 0


class LogEntry(Struct, frozen=True):
    """One thing that happened. The same moment reported by several observers is one entry.

    `key` is what makes two reports the same; `number` grows by one per entry and never repeats.
    """

    number: int
    at_ms: float
    kind: str
    data: Mapping[str, Any]
    observers: tuple[str, ...]
    key: tuple[str, ...]


class Incident(Struct, frozen=True):
    """One disturbance and its stages, in milliseconds after `at_ms`; None: not yet, or does not apply.

    A stage counts when the last live observer has reached it. `suspected` and `confirmed` map
    (observer, victim) to a time, `held` the jobs the victims held to their epoch, `reclaimed`, `finished`
    and `excused` the same jobs to when they were leased again, when they were final, and the configured delay of
    their last run (a run that waited for others on its node also waited for theirs: that is not excused); `final_at` maps (job, observer) to when the observer saw the job final.
    `revived` are the victims that were brought back meanwhile.
    """

    number: int
    action: str
    targets: tuple[str, ...]
    victims: frozenset[str]
    by: str
    at_ms: float
    command: str
    open: bool = True
    revived: frozenset[str] = frozenset()
    suspected: Mapping[tuple[str, str], float] = {}
    confirmed: Mapping[tuple[str, str], float] = {}
    held: Mapping[str, int] = {}
    reclaimed: Mapping[str, float] = {}
    finished: Mapping[str, float] = {}
    excused: Mapping[str, float] = {}
    final_at: Mapping[tuple[str, str], float] = {}
    suspected_ms: float | None = None
    confirmed_ms: float | None = None
    reclaimed_ms: float | None = None
    finished_ms: float | None = None
    settled_ms: float | None = None
    converged_ms: float | None = None

    @property
    def killed(self) -> tuple[str, ...]:
        """Names of the participants this incident killed; empty for pauses, partitions and heals."""
        return self.targets if self.action == "kill" else ()

    @property
    def all_back(self) -> bool:
        """Whether every victim was brought back: nobody needs to confirm a death any more."""
        return bool(self.victims) and self.victims <= self.revived


class State(Struct, frozen=True):
    """Everything the operator's side knows.

    `primary` is the peer whose view of members, jobs and queries counts: the operator's own node. While it
    is not heard those count that most of the others see alive. `deaf` are the peers that cannot be heard: a
    process of theirs is down or their stream is interrupted. `names` are the names the operator's side uses for peers.
    `converged_ms` is since when all live replicas agree, None while they do not; `divergence_ms` how long
    they last took to agree again. `stopped`: the mesh was taken down, and nothing of it is heard any more.
    `chain` is the one that names are on, None when none was heard of; `ens` has what was found there, by name and by who claims
    it. `supervised`: there is a supervisor to ask; without, one participant's control API is all there is.
    """

    primary: str = ""
    exec_delay_ms: float = 0.0
    now_ms: float = 0.0
    rejected: int = 0
    observers: Mapping[str, Observer] = {}
    deaf: frozenset[str] = frozenset()
    names: Mapping[str, str] = {}
    stopped: bool = False
    supervised: bool = True
    processes: Mapping[tuple[str, str], Process] = {}
    sources: Mapping[str, Source] = {}
    members: Mapping[str, MemberEntry] = {}
    jobs: Mapping[str, Entry] = {}
    fates: Mapping[str, Fate] = {}
    tally: Tally = Tally()
    queries: Mapping[str, QueryEntry] = {}
    answers: Mapping[str, OpenedView] = {}
    records: Mapping[str, RecordView] = {}
    chain: ChainView | None = None
    ens: Mapping[tuple[str, str], NameView] = {}
    incidents: tuple[Incident, ...] = ()
    log: tuple[LogEntry, ...] = ()
    log_number: int = 0
    converged_ms: float | None = None
    diverged_ms: float | None = None
    divergence_ms: float | None = None


def initial_state(*, primary: str = "", exec_delay_ms: float = 0.0, supervised: bool = True) -> State:
    """An empty picture. `primary` is the operator's peer id (learned from its `node` view when not given);
    `exec_delay_ms` the configured delay of executions, which `Incident.finished_ms` leaves out of `settled_ms`."""
    return State(primary=primary, exec_delay_ms=exec_delay_ms, supervised=supervised)


def roots_of_live(state: State) -> dict[str, str]:
    """State root of every peer that can be heard and has said how its replica stands."""
    return {
        peer: observer.replica.root
        for peer, observer in state.observers.items()
        if observer.replica is not None and peer not in state.deaf
    }
