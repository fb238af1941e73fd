"""Questions about a state, answered from it alone: nobody keeps a second copy of an answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from mesh_core.api.schema import FINAL_STATES, AnswerView, Counters, JobView, MemberView, QueryView
from whisper_tui.model.incidents import STAGES, Stage
from whisper_tui.model.inert import REPLACEMENT, inert
from whisper_tui.model.numbers import counted
from whisper_tui.model.remembered import by_identity
from whisper_tui.model.state import DOWN, Incident, Process, State, roots_of_live

T = TypeVar("T")

HOLDER = "holder:"
"""Before a job's label: the participant that holds its lease."""

OPERATOR = "operator"
"""What the operator's side calls the operator's own participant."""

YOU = "you"
"""The same, as people call it."""

STRANGE = "~"
"""Before or in what somebody else chose to be called, or to call a job, where it could be taken for one's own."""

SETTLED_TWICE = "settled twice"
"""`JobView.contradiction` of a job whose submitter the mesh trusts with credit."""

PEER_PREFIX_MIN = 4
"""Shortest prefix of a peer or job id that is taken for one."""


class NotFound(Exception):
    """A name, label or id that means nothing here. The text says what there is instead."""


class Ambiguous(NotFound):
    """A name or prefix that means more than one thing."""


class Node(Struct, frozen=True):
    """One participant: what the members say of it, and what its supervisor knows of its processes.

    `seated`: it is started from here; nobody else can be killed, paused, revived or cut off.
    """

    peer: str
    name: str
    role: str
    member: MemberView | None
    provider: Process | None
    axl: Process | None
    stopped: bool = False
    """Whether the whole mesh was taken down."""

    @property
    def seated(self) -> bool:
        return self.provider is not None or self.axl is not None

    @property
    def runs(self) -> bool:
        """Whether none of its processes is known to be down."""
        return not self.stopped and all(
            process is None or process.state not in DOWN for process in (self.provider, self.axl)
        )

    @property
    def state(self) -> str:
        """How the operator's node sees it: alive, suspect, dead, left; `unknown` before it has been seen,
        `stopped` with the mesh."""
        if self.stopped:
            return "stopped"
        return self.member.state if self.member else "unknown"

    @property
    def process(self) -> str:
        """How its processes are, the worst of them; empty when no supervisor told."""
        if self.stopped:
            return "stopped"
        states = [process.state for process in (self.provider, self.axl) if process]
        return min(states, key=lambda state: state not in DOWN, default="")


@by_identity
def nodes(state: State) -> Sequence[Node]:
    """All participants, known from members or from processes: those started from here, then others, by name; guests only
    until they leave."""
    peers = dict.fromkeys(state.members)
    peers |= dict.fromkeys(process.peer for process in state.processes.values() if process.peer)
    found = [node_of(state, peer) for peer in peers]
    found = [node for node in found if node.role != "submitter" or node.state not in ("left", "dead")]
    return tuple(
        sorted(
            found, key=lambda node: (not node.seated, node.role != "provider", _natural(node.name), node.peer)
        )
    )


def node_of(state: State, peer: str) -> Node:
    """The participant with this peer id."""
    name, seat = name_of(state, peer), state.names.get(peer, "")
    entry = state.members.get(peer)
    observer = state.observers.get(peer)
    if entry is not None:
        role = entry.view.role
    elif observer is not None and observer.node is not None:
        role = observer.node.role
    else:
        role = OPERATOR if name == OPERATOR else "provider"
    return Node(
        peer=peer,
        name=name,
        role=role,
        member=entry.view if entry else None,
        provider=state.processes.get((seat, "provider")),
        axl=state.processes.get((seat, "axl")),
        stopped=state.stopped,
    )


def _natural(name: str) -> tuple[str, int]:
    """Sorts node2 before node10."""
    stem = name.rstrip("0123456789")
    digits = name[len(stem) :]
    return stem, int(digits) if digits.isascii() and 0 < len(digits) < 10 else 0


def name_of(state: State, peer: str) -> str:
    """What to call a peer: the operator's name for it, else its own, else the start of its id."""
    entry = state.members.get(peer)
    return state.names.get(peer) or told_name(peer, entry.view.name if entry else "", state.names.values())


def told_name(peer: str, own: str, taken: Collection[str]) -> str:
    """What to call somebody who calls itself `own` and is none of those that bear the names `taken`.

    What looks like one of these bears the start of its id. So does whatever is not plain ASCII: there are letters of other
    scripts that nobody can tell from Latin ones, and characters that nobody sees.
    """
    shown = " ".join(inert(own).split())
    looks_like = {_looks(name) for name in (YOU, *taken)}
    if shown.isascii() and _looks(shown) not in {"", *looks_like}:
        return shown
    return f"{shown}{STRANGE}{peer[:6]}" if shown.strip(f"{REPLACEMENT} ") else peer[:8]


def _looks(name: str) -> str:
    """Names in ASCII that differ in more than case and blanks are told apart at a glance."""
    return "".join(name.split()).casefold()


def operator_of(state: State) -> str:
    """The operator's own peer id, also in a picture that another participant tells."""
    return next((peer for peer, name in state.names.items() if name == OPERATOR), state.primary)


def label_of(job: JobView, operator: str) -> str:
    """What to call a job of the operator's; others may call theirs the same, so theirs are marked."""
    return job.label if job.submitter == operator else f"{STRANGE}{job.label}"


def is_cut_off(state: State, peer: str) -> bool:
    """Whether a partition stands between the operator's node and `peer`."""
    observer = state.observers.get(state.primary)
    return observer is not None and observer.node is not None and peer in observer.node.partitioned_from


def cut_off(state: State) -> list[str]:
    """Names of those that a partition keeps from the operator's node."""
    return [node.name for node in nodes(state) if is_cut_off(state, node.peer)]


def providers(state: State) -> list[Node]:
    """All participants that can execute."""
    return [node for node in nodes(state) if node.role == "provider"]


class NodeCounts(Struct, frozen=True):
    """Providers counted. `up`: seen alive and their processes run."""

    total: int
    up: int
    alive: int
    suspect: int
    dead: int
    left: int


def node_counts(state: State) -> NodeCounts:
    """Counts over `providers`."""
    found = providers(state)
    states = [node.state for node in found]
    return NodeCounts(
        total=len(found),
        up=sum(node.state == "alive" and node.runs for node in found),
        alive=states.count("alive"),
        suspect=states.count("suspect"),
        dead=states.count("dead"),
        left=states.count("left"),
    )


def agreed_alive(state: State) -> int:
    """Providers that are alive in the eyes of every live observer. It asks each of each: not for every frame."""
    sights = [state.observers[observer].sights for observer in roots_of_live(state)]
    return sum(
        bool(sights) and all((seen := each.get(node.peer)) and seen.state == "alive" for each in sights)
        for node in providers(state)
    )


# ----------------------------------------------------------------------------------------------- look-ups


def find_node(state: State, name: str) -> Node:
    """The participant called `name`, or whose peer id starts with it, or to whom that name on the chain is bound;
    `holder:q1.2` is who holds that job.

    NotFound if there is none, Ambiguous if there are several.
    """
    if name.startswith(HOLDER):
        return holder_of(state, name.removeprefix(HOLDER))
    if name == YOU:
        return node_of(state, operator_of(state))
    known = nodes(state)
    by_id = {node.peer: node for node in known}
    called = [node for node in known if state.names.get(node.peer) == name]
    if not called and not _by_prefix(
        name, by_id
    ):  # what others call themselves hides nobody's name and no id
        called = [node for node in known if node.name == name]
    if len(called) == 1:
        return called[0]
    if called:
        raise Ambiguous(f"several nodes are called {name}; use the start of a peer id")
    if "." in name:
        return _named_on_chain(state, name)
    return _one_by_prefix(name, "node", by_id, [node.name for node in known])


def _named_on_chain(state: State, name: str) -> Node:
    """The participant to whom a name on the chain is bound: one that is only claimed means nobody."""
    views = [view for view in state.ens.values() if view.name == name.casefold()]
    bound = next((view for view in views if view.verified), None)
    if bound is not None:
        return node_of(state, bound.peer)
    if views:
        raise NotFound(f"{name} is not verified: {views[0].why}")
    where = "no chain is asked" if state.chain is None else "nobody who is known here claims it"
    raise NotFound(f"{name} means nobody: {where}")


def find_job(state: State, name: str) -> JobView:
    """The operator's newest job labelled `name` (`q3.1`), else the one whose id begins so, else what somebody else calls
    so. `q3.c` is the job that combines the answers of q3, and so is `q3`: a question means its answer.

    Whoever asks labels their jobs as they like: of a question that is the operator's, no other's job is meant. `~q3.1`
    is what somebody else calls so.
    """
    operator = operator_of(state)
    views = [entry.view for entry in state.jobs.values()]
    mine = [view for view in views if view.submitter == operator]
    if labelled := _labelled(mine, name):
        return max(labelled, key=lambda view: view.submitted_ms)
    _refuse_own_question(state, mine, name)
    by_id = {view.job: view for view in views}
    others = [view for view in views if view.submitter != operator]
    theirs = _labelled(others, name.removeprefix(STRANGE))
    if _by_prefix(name, by_id) or not theirs:
        return _one_by_prefix(name, "job", by_id, [label_of(view, operator) for view in views])
    if len({view.submitter for view in theirs}) > 1:
        raise Ambiguous(f"several others call a job {name}, you do not: use the start of its id")
    return max(theirs, key=lambda view: view.submitted_ms)


def _labelled(views: Iterable[JobView], name: str) -> list[JobView]:
    return [view for view in views if view.label in (name, f"{name}.c")]


def _refuse_own_question(state: State, mine: Sequence[JobView], name: str) -> None:
    """NotFound when `name` is a question of the operator's or a part of one: there is no such job of it."""
    stem = name.removesuffix(".c")
    asked = [entry.view for entry in state.queries.values() if entry.view.label == stem]
    if asked:
        question = max(asked, key=lambda view: view.submitted_ms)
        raise NotFound(
            f"{question.label} has no combined answer: it is {question.state}, {question.settled} of its "
            f"{question.total} parts are settled ({question.label}.1 to {question.label}.{question.total})"
        )
    known = {view.label.rpartition(".")[0]: view.label for view in mine}
    known |= {entry.view.label: entry.view.label for entry in state.queries.values()}
    part_of = next((own for own in (stem, name.rpartition(".")[0]) if own in known), None)
    if part_of is not None:
        parts = [view.label for view in mine if view.label.rpartition(".")[0] == part_of]
        raise NotFound(f"no job {name}: of {part_of} there are {', '.join(parts[-8:]) or 'no jobs yet'}")


def find_query(state: State, name: str) -> QueryView:
    """The newest question labelled `name`, or by id prefix; `last` is the newest of all."""
    views = [entry.view for entry in state.queries.values()]
    if name == "last":
        if not views:
            raise NotFound("no question was asked yet")
        return max(views, key=lambda view: view.submitted_ms)
    labelled = [view for view in views if view.label == name]
    if labelled:
        return max(labelled, key=lambda view: view.submitted_ms)
    return _one_by_prefix(
        name, "question", {view.query: view for view in views}, [view.label for view in views]
    )


class Question(Struct, frozen=True):
    """A question and its jobs, the combining one first. `view` is None of questions that others ask.

    `id` names it here: the query id of one of the operator's own; of others' with who asks behind it, since anybody
    can write any query id into a job.
    """

    id: str
    label: str
    view: QueryView | None
    jobs: tuple[JobView, ...]


def question_id(job: JobView, operator: str) -> str:
    """The id of the question that a job is part of."""
    return job.query if job.submitter == operator else f"{job.query}{STRANGE}{job.submitter}"


@by_identity
def questions(state: State) -> Sequence[Question]:
    """All questions of which a job is known, the operator's own before others', the newest first."""
    operator = operator_of(state)
    jobs: dict[str, list[JobView]] = {}
    for entry in state.jobs.values():
        jobs.setdefault(question_id(entry.view, operator), []).append(entry.view)
    found = [_question(state, id_, known) for id_, known in jobs.items()]
    return tuple(
        sorted(
            found,
            key=lambda one: (one.jobs[0].submitter == operator, min(job.submitted_ms for job in one.jobs)),
            reverse=True,
        )
    )


def question_of(state: State, id_: str) -> Question | None:
    """The question with this id; None when none of its jobs is known."""
    operator = operator_of(state)
    jobs = [entry.view for entry in state.jobs.values() if question_id(entry.view, operator) == id_]
    return _question(state, id_, jobs) if jobs else None


def _question(state: State, id_: str, jobs: list[JobView]) -> Question:
    entry = state.queries.get(id_)
    told = label_of(jobs[0], operator_of(state))
    label = entry.view.label if entry else told.rpartition(".")[0] or told
    view = entry.view if entry else None
    return Question(id_, label, view, tuple(sorted(jobs, key=lambda job: job.index)))


def holder_of(state: State, job: str) -> Node:
    """The participant that holds the lease of the job labelled `job`. NotFound while nobody does."""
    view = find_job(state, job)
    if not view.holder or view.state in FINAL_STATES:
        raise NotFound(f"nobody holds {job}: it is {view.state}")
    return node_of(state, view.holder)


def _one_by_prefix(name: str, noun: str, by_id: dict[str, T], known: Iterable[str]) -> T:
    found = _by_prefix(name, by_id)
    if len(found) == 1:
        return found[0]
    if found:
        raise Ambiguous(f"{len(found)} ids start with {name}; add a few characters")
    names = list(dict.fromkeys(label for label in known if label))
    hint = f" (there are {', '.join(names[-8:])})" if names else " (there is none yet)"
    raise NotFound(f"no {noun} {name}{hint}")


def _by_prefix(name: str, by_id: Mapping[str, T]) -> list[T]:
    return (
        [value for key, value in by_id.items() if key.startswith(name)]
        if len(name) >= PEER_PREFIX_MIN
        else []
    )


# ---------------------------------------------------------------------------------------------- the ledger


class Convergence(Struct, frozen=True):
    """Agreement of the live replicas. `roots`: distinct ones; `since_ms`: when they began to agree;
    `took_ms`: how long they last needed to; `records` the primary holds; `reporting` replicas."""

    converged: bool
    roots: int
    since_ms: float | None
    took_ms: float | None
    records: int
    reporting: int


def convergence(state: State) -> Convergence:
    """How far the replicas of those that can be heard agree."""
    roots = roots_of_live(state)
    observer = state.observers.get(state.primary)
    replica = observer.replica if observer else None
    return Convergence(
        converged=state.converged_ms is not None and bool(roots),
        roots=len(set(roots.values())),
        since_ms=state.converged_ms,
        took_ms=state.divergence_ms,
        records=replica.records if replica else 0,
        reporting=len(roots),
    )


def missing_records(state: State, holder: str, other: str) -> int | None:
    """Records `holder`'s replica has and `other`'s lacks; None if one of them has not reported."""
    mine, theirs = state.observers.get(holder), state.observers.get(other)
    if mine is None or theirs is None or mine.replica is None or theirs.replica is None:
        return None
    heads = theirs.replica.heads
    if mine.replica.heads == heads:
        return 0
    ahead = mine.replica.heads.items() - heads.items()
    return sum(max(0, seq - heads.get(author, 0)) for author, seq in ahead)


# ------------------------------------------------------------------------------------------------ counting


def is_stalled(job: JobView) -> bool:
    """Whether too few of the job's committee live to decide anything; it goes on when they return. Of one that nobody has
    taken yet nothing is known: only its submitter remembers when it was."""
    taken = job.accepted_ms > 0 or job.epoch > 0
    return job.state not in FINAL_STATES and taken and job.live_weight < job.quorum


def votes_needed(job: JobView) -> str:
    """What a stalled job waits for: `needs 1 more vote`."""
    return f"needs {counted(job.quorum - job.live_weight, 'more vote')}"


def is_unreadable(answer: AnswerView) -> bool:
    """Whether an opened result is none: its notes say why."""
    return not answer.backend and not answer.text


def is_orphaned(state: State, job: JobView) -> bool:
    """Whether the holder of the job's lease is gone and nobody has taken it over yet."""
    if job.state != "leased" or not job.holder:
        return False
    holder = node_of(state, job.holder)
    return holder.state in ("dead", "left") or not holder.runs


def is_forgotten(state: State, job: JobView) -> bool:
    """Whether what happened during the job is gone: it ended before the node that tells of it was started again.

    Times, tokens and growing texts are memories of a process; what was signed stays.
    """
    own = state.members.get(state.primary)
    return bool(own and job.settled_ms and job.settled_ms < own.view.since_ms and not job.tokens)


def is_settled_twice(state: State, job: str) -> bool:
    """Whether a job has certificates of two values and that says something: a stranger's may all be its own invention,
    so of another's job the word of the node that tells of it decides."""
    fate, entry = state.fates.get(job), state.jobs.get(job)
    if fate is None or entry is None or len(fate.values) < 2:
        return False
    return entry.view.submitter == operator_of(state) or entry.view.contradiction == SETTLED_TWICE


def counters(state: State) -> Counters:
    """Counts over the jobs the operator has seen. `jobs_lost`: settled, and what was opened is no answer; of the newest
    answers only."""
    views = [entry.view for entry in state.jobs.values()]
    tally = state.tally
    return Counters(
        jobs_submitted=tally.submitted + len(views),
        jobs_settled=tally.settled + sum(view.state == "settled" for view in views),
        jobs_settled_twice=tally.settled_twice + sum(is_settled_twice(state, job) for job in state.fates),
        jobs_lost=sum(is_unreadable(opened.answer) for opened in state.answers.values()),
        executions=tally.executions + sum(view.executions for view in views),
        rescued=tally.rescued + sum(view.rescued for view in views),
    )


def open_jobs(state: State) -> list[JobView]:
    """Jobs that are not final, oldest first."""
    return [entry.view for entry in state.jobs.values() if entry.view.state not in FINAL_STATES]


def stalled_jobs(state: State) -> list[JobView]:
    """Jobs that cannot go on as things stand."""
    return [view for view in open_jobs(state) if is_stalled(view)]


def jobs_held(state: State, peer: str) -> list[JobView]:
    """Open jobs whose lease `peer` holds."""
    return [view for view in open_jobs(state) if view.holder == peer and view.epoch > 0]


def last_incident(state: State) -> Incident | None:
    """The newest incident."""
    return state.incidents[-1] if state.incidents else None


class Percentiles(Struct, frozen=True):
    """p50 and p95 of one stage over all incidents that have it; None when none has."""

    p50: float | None
    p95: float | None


def stage_percentiles(state: State, stage: Stage, action: str = "") -> Percentiles:
    """Nearest-rank percentiles, in milliseconds; with `action` over the incidents that it caused."""
    counted_in = (incident for incident in state.incidents if action in ("", incident.action))
    values = sorted(value for incident in counted_in if (value := getattr(incident, stage)) is not None)
    if not values:
        return Percentiles(None, None)
    return Percentiles(
        values[(len(values) - 1) // 2], values[min(len(values) - 1, -(-95 * len(values) // 100) - 1)]
    )


def incident_stages(incident: Incident) -> dict[Stage, float | None]:
    """The stages of an incident, in order, in milliseconds after it began."""
    return {stage: getattr(incident, stage) for stage in STAGES}
