"""What a participant's control API shows: entities, moments, commands.

Two kinds of events travel over `GET /events` (server-sent events, JSON):

* *views* carry the whole current state of one entity (a member, a job, …). They are idempotent, the latest
  wins, and a client that has just connected gets one for every entity there is: no second format for
  snapshots. `GET /state` returns the same entities at once.
* *moments* say that something happened, once, when it happened. They feed logs and incident timelines.

Keys and hashes are lower-case hex; a peer's `name` is what its owner calls it and proves nothing. Times named
`at_ms` are wall-clock milliseconds since 1970 of the machine that reports them, for display only.
Text that came from other members is data: whoever shows it must show it inert.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

MemberState: TypeAlias = Literal["alive", "suspect", "dead", "left"]
Role: TypeAlias = Literal["provider", "operator", "submitter"]
JobState: TypeAlias = Literal["pending", "open", "awarded", "leased", "settled", "cancelled", "failed"]
"""`pending`: not yet on the disks of a quorum of its committee. The last three are final."""

FINAL_STATES: frozenset[str] = frozenset({"settled", "cancelled", "failed"})


VIEW_PERIOD_HEADER = "View-Period-Ms"
"""Header of a request for `/events`: how many milliseconds apart views of one thing may be. Moments come at once anyway."""


class Event(Struct, frozen=True):
    """One event; `node` is the peer id of the node that reports it.

    `seq` grows by one per event of a node and never goes back, not even over its restarts. Views sent because
    somebody has connected are no events of their own and carry 0.
    """

    seq: int
    at_ms: float
    node: str
    kind: str
    data: dict[str, Any]


class NodeView(Struct, frozen=True):
    """View `node`: the reporting node itself. `problem` is one line, empty while all is well."""

    peer: str
    name: str
    role: str
    network: str
    boot: int
    version: str
    fast: bool
    executes: bool
    ready: bool
    problem: str
    partitioned_from: list[str]
    backend: str
    corpus: str
    shards_total: int


class MemberView(Struct, frozen=True):
    """View `member`: how the reporting node sees one member (itself included)."""

    peer: str
    name: str
    role: str
    state: MemberState
    incarnation: int
    since_ms: float
    accusers: list[str]
    capabilities: list[str]
    price_micro: int
    shards: list[int]
    models: list[str]
    ens_name: str
    neighbour: bool
    attached: bool
    balance_micro: int
    leases: int
    settled: int
    rescued: int


class BidView(Struct, frozen=True):
    """One bid in an auction. `parts` are the terms of `score` (lower is better); `refused` is empty or a reason."""

    peer: str
    price_micro: int
    load: float
    expected_ms: int
    model: str
    score: float
    parts: dict[str, float]
    rank: int
    refused: str


class AuctionView(Struct, frozen=True):
    """The auction of one job, as far as the reporting node knows it (its own: with refusals)."""

    state: Literal["open", "closed", "none"]
    opened_ms: float
    closed_ms: float
    window_ms: int
    bids: list[BidView]
    ranking: list[str]


class AttemptView(Struct, frozen=True):
    """One lease epoch of a job. `outcome`: running, settled, adopted, lost, released, failed."""

    epoch: int
    holder: str
    leased_ms: float
    started_ms: float
    ended_ms: float
    tokens: int
    outcome: str
    note: str


class ToleranceView(Struct, frozen=True):
    """How much of its committee a job does without: `silent_providers` of `providers` while the submitter answers, and
    `silent_without_submitter` when it is silent too, None when the job stalls then. Votes of `lying_weight` may be lies,
    but not those of the members in `trusted`."""

    providers: int = 0
    silent_providers: int = 0
    silent_without_submitter: int | None = None
    lying_weight: int = 0
    trusted: list[str] = field(default_factory=list)


class JobView(Struct, frozen=True):
    """View `job`. `contradiction` says what two certificates that disagree mean. `quorum` and `weight` are q and W of docs/protocol.md; times are 0 when they have not come yet."""

    job: str
    label: str
    query: str
    index: int
    kind: str
    shard: int | None
    submitter: str
    state: JobState
    holder: str
    epoch: int
    lease_left_ms: int
    lease_ms: int
    max_price_micro: int
    price_micro: int
    quorum: int
    weight: int
    fault_bound: int
    threshold: int
    committee: list[str]
    live_weight: int
    executions: int
    rescued: bool
    submitted_ms: float
    accepted_ms: float
    first_started_ms: float
    settled_ms: float
    votes: list[str]
    reason: str
    text: str
    tokens: int
    auction: AuctionView
    attempts: list[AttemptView]
    contradiction: str = ""
    tolerance: ToleranceView = field(default_factory=ToleranceView)


class RecordView(Struct, frozen=True):
    """View `record`: one ledger record, newest ones only (the ledger tail). `epoch` is that of a lease or a settlement, else 0."""

    hash: str
    author: str
    seq: int
    kind: str
    job: str
    summary: str
    at_ms: float
    bytes: int
    epoch: int = 0


class Check(Struct, frozen=True):
    """One thing that was checked of a record (`signature`, `hash`, `link`, …): whether it holds, and what was found."""

    what: str
    holds: bool
    told: str


class CheckedStatement(Struct, frozen=True):
    """A signed statement inside a record: a bid, a promise, a vote. `problem` is empty when its author signed it; of one
    that nobody can be shown to have signed there is only that."""

    kind: str
    author: str
    says: dict[str, Any]
    problem: str


class CheckedRecord(Struct, frozen=True):
    """`GET /records/HASH`: one signed record and what comes of checking it with the asked participant's replica.

    `says` is its body, bytes in hexadecimal; the signed statements that it holds are in `statements`. `raw` are the signed
    bytes in hexadecimal, the signature last.
    """

    record: RecordView
    network: str
    version: int
    prev: str
    says: dict[str, Any]
    statements: list[CheckedStatement]
    checks: list[Check]
    raw: str


class ReplicaView(Struct, frozen=True):
    """View `replica`: the reporting node's own replica, and what others last said of theirs.

    `heads` maps author to the highest contiguous seq held. Converged means equal `root` everywhere.
    """

    root: str
    vector: str
    records: int
    heads: dict[str, int]
    missing: int
    others: dict[str, str]
    equivocators: list[str]


class PassageView(Struct, frozen=True):
    """A cited passage: a verbatim span of a shard."""

    shard: int
    source: str
    text: str


class AnswerView(Struct, frozen=True):
    """An opened result. `backend` names what produced it; `notes` say what was dropped or fell back, and why."""

    text: str
    backend: str
    passages: list[PassageView]
    notes: list[str]


QueryState: TypeAlias = Literal["running", "answered", "failed", "cancelled"]


class QueryView(Struct, frozen=True):
    """View `query`: one question of the reporting node. `settled` counts its answer jobs; `answer` is the
    combined result once the combine job is settled and opened."""

    query: str
    label: str
    text: str
    jobs: list[str]
    combine: str
    total: int
    settled: int
    running: int
    state: QueryState
    submitted_ms: float
    finished_ms: float
    answer: AnswerView | None


class OpenedView(Struct, frozen=True):
    """View `answer`: the opened result of one job of the reporting node, newest ones only. `maker` is the
    provider whose result was settled."""

    job: str
    maker: str
    answer: AnswerView


class Counters(Struct, frozen=True):
    """Totals over jobs, counted from certificates: those of one node's replica, or of all stores of a mesh.

    `jobs_settled_twice`: jobs of submitters with credit that have certificates for two values. `jobs_lost`: settled,
    and unreadable to their submitter. `executions`: leases under which somebody had to run the job. `rescued`: jobs with a
    result that was decided under a later lease than the first. The last two are counted over jobs whose records are held: a
    checkpoint keeps of older ones only what they came to.
    """

    jobs_submitted: int
    jobs_settled: int
    jobs_settled_twice: int
    jobs_lost: int
    executions: int
    rescued: int


class State(Struct, frozen=True):
    """`GET /state`."""

    seq: int
    at_ms: float
    node: NodeView
    members: list[MemberView]
    jobs: list[JobView]
    queries: list[QueryView]
    records: list[RecordView]
    replica: ReplicaView
    counters: Counters
    traffic: dict[str, int] = field(default_factory=dict)
    answers: list[OpenedView] = field(default_factory=list)


VIEWS: dict[str, type[Struct]] = {
    "node": NodeView,
    "member": MemberView,
    "job": JobView,
    "query": QueryView,
    "record": RecordView,
    "replica": ReplicaView,
    "answer": OpenedView,
}
"""Event kinds whose `data` is a whole view."""


@dataclass(frozen=True)
class MomentKind:
    """A moment: its fields and the sentence that tells it."""

    kind: str
    fields: tuple[str, ...]
    sentence: str


MOMENTS: tuple[MomentKind, ...] = (
    MomentKind("neighbour_lost", ("peer",), "{peer} link lost"),
    MomentKind("neighbour_found", ("peer",), "{peer} link up"),
    MomentKind("client_detached", ("peer",), "{peer} answers at its AXL node, but nobody reads there"),
    MomentKind("member_alive", ("peer", "incarnation"), "{peer} alive"),
    MomentKind("member_suspected", ("peer", "by"), "{peer} suspected by {by}"),
    MomentKind("member_dead", ("peer", "accusers"), "{peer} confirmed dead, {accusers} accusers"),
    MomentKind("member_left", ("peer",), "{peer} left"),
    MomentKind("refuted", ("incarnation", "by"), "accused by {by}, refuted with incarnation {incarnation}"),
    MomentKind("record_added", ("hash", "author", "kind", "job"), "{author} wrote a {kind} record"),
    MomentKind("ready", (), "ready"),
    MomentKind("job_submitted", ("job", "label"), "{label} submitted"),
    MomentKind("job_accepted", ("job", "stored"), "{job} accepted, on {stored} disks"),
    MomentKind(
        "auction_closed",
        ("job", "winner", "bids", "took_ms"),
        "{job} awarded to {winner}, {bids} bids in {took_ms} ms",
    ),
    MomentKind(
        "lease_granted",
        ("job", "epoch", "holder", "promised"),
        "{job} epoch {epoch} leased by {holder}, {promised} promised",
    ),
    MomentKind(
        "lease_ended", ("job", "epoch", "holder", "reason"), "{job} epoch {epoch} of {holder} ended: {reason}"
    ),
    MomentKind("execution_started", ("job", "epoch"), "{job} epoch {epoch} running"),
    MomentKind("execution_progress", ("job", "epoch", "tokens", "text"), "{job} {tokens} tokens"),
    MomentKind(
        "execution_finished", ("job", "epoch", "bytes"), "{job} epoch {epoch} finished, {bytes} bytes"
    ),
    MomentKind("execution_failed", ("job", "epoch", "error"), "{job} epoch {epoch} failed: {error}"),
    MomentKind("execution_stopped", ("job", "epoch", "reason"), "{job} epoch {epoch} stopped: {reason}"),
    MomentKind("proposed", ("job", "epoch", "adopted"), "{job} epoch {epoch} proposed"),
    MomentKind(
        "job_settled",
        ("job", "epoch", "outcome", "holder", "price_micro", "votes"),
        "{job} {outcome}, certificate of {votes}",
    ),
    MomentKind("result_opened", ("job",), "{job} result opened by its submitter"),
    MomentKind("query_answered", ("query", "label"), "{label} answered"),
    MomentKind("equivocation", ("author", "kind"), "{author} signed two {kind}s for one slot"),
    MomentKind("alarm", ("job", "text"), "ALARM {text}"),
    MomentKind("partitioned", ("hidden",), "cut off from {hidden}"),
    MomentKind("healed", (), "partition healed"),
    MomentKind("problem", ("text",), "{text}"),
    MomentKind("command", ("name", "args"), "command {name} {args}"),
)
"""Moments a provider reports. Fields named peer, by, holder, winner and author are peer ids."""


@dataclass(frozen=True)
class RouteSpec:
    """Something that the control API answers to `GET`, and what it answers."""

    path: str
    answers: str


ROUTES: tuple[RouteSpec, ...] = (
    RouteSpec("/health", "whether it works, in a few words; needs no token"),
    RouteSpec("/metrics", "counters as Prometheus text; needs no token"),
    RouteSpec("/state", "all views at once"),
    RouteSpec(
        "/events",
        "views and moments as they come; views at most every `View-Period-Ms`, if that header is there",
    ),
    RouteSpec("/jobs/ID/certificate", "a settled job's receipt, for `verify receipt`"),
    RouteSpec("/jobs/ID/result", "the opened result of one of its own jobs"),
    RouteSpec("/jobs/ID/records", "views of the newest 200 records about a job"),
    RouteSpec("/members/PEER/records", "views of the newest 200 records by a member"),
    RouteSpec(
        "/records/HASH", "one signed record: what it says, each check of it with this replica, its bytes"
    ),
)
"""What is read; ids, peers and hashes are 64 hexadecimal characters."""


@dataclass(frozen=True)
class CommandSpec:
    """A command of the control API: `POST /commands/<name>` with a JSON object and the token."""

    name: str
    args: dict[str, str]
    does: str


COMMANDS: tuple[CommandSpec, ...] = (
    CommandSpec(
        "submit",
        {
            "text": "the question",
            "label": "optional name, q1, q2, … by default",
            "max_price_micro": "optional, micro-AXL per job",
            "fault_bound": "optional, committee members that may lie",
            "submitter_weight": "optional, votes of the submitter in the committee",
            "retries": "optional, executions that may fail before the job does",
            "auction_ms": "optional, longest auction",
            "execution_ms": "optional, longest execution",
            "total_ms": "optional, total time-out",
            "to": "optional, peer id of the provider that comes first if it bids",
        },
        "submit a query; answers {query, label, jobs, state}",
    ),
    CommandSpec("cancel", {"job": "id or label"}, "ask that a job end as cancelled; answers {job}"),
    CommandSpec(
        "partition",
        {"hidden": "peer ids to drop, [] heals"},
        "cut this node off from others; answers {hidden}",
    ),
    CommandSpec("leave", {}, "say goodbye and stop"),
)
"""`submit` and `cancel` belong to the node whose API is asked: its key signs."""
