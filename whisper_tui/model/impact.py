"""What an action would do, said before it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from mesh_core.api.schema import JobView
from whisper_tui.model.numbers import counted
from whisper_tui.model.selectors import jobs_held, node_of, open_jobs, providers
from whisper_tui.model.state import State


class Impact(Struct, frozen=True):
    """Consequences of silencing some participants. `stalled` are labels of jobs that would lose their quorum;
    `mute`: the operator's own node is among them."""

    leases: int
    stay: int
    total: int
    stalled: tuple[str, ...]
    mute: bool = False

    @property
    def grave(self) -> bool:
        """Whether a job would not finish until somebody returns."""
        return bool(self.stalled)


def impact_of_silencing(state: State, peers: Sequence[str]) -> Impact:
    """What is lost while `peers` do not answer."""
    gone = frozenset(peers)
    present = [node for node in providers(state) if node.state == "alive" and node.runs]
    return Impact(
        leases=sum(len(jobs_held(state, peer)) for peer in gone),
        stay=sum(node.peer not in gone for node in present),
        total=len(present),
        stalled=tuple(
            view.label
            for view in open_jobs(state)
            if keeps_quorum(state, view, frozenset()) and not keeps_quorum(state, view, gone)
        ),
        mute=state.primary in gone,
    )


def keeps_quorum(state: State, job: JobView, gone: frozenset[str]) -> bool:
    """Whether the committee of `job` can still decide without `gone`."""
    weight = sum(
        seat_weight(job, peer) for peer in job.committee if peer not in gone and answers(state, peer)
    )
    return weight >= job.quorum


def seat_weight(job: JobView, peer: str) -> int:
    """Votes of a committee member: one, and whatever is left of the total weight for the submitter."""
    others = sum(member != job.submitter for member in job.committee)
    return job.weight - others if peer == job.submitter else 1


def voted_weight(job: JobView) -> int:
    """Weight of the votes that its certificate holds, to be compared with its quorum."""
    return sum(seat_weight(job, peer) for peer in job.votes)


def tolerance(state: State, job: JobView) -> int:
    """How many more single votes may fall silent before the job stalls; negative: so many must return."""
    return tolerance_of(job, lambda peer: answers(state, peer))


def tolerance_of(job: JobView, answers: Callable[[str], bool]) -> int:
    """The same, where it is known already who answers."""
    return sum(seat_weight(job, peer) for peer in job.committee if answers(peer)) - job.quorum


def answers(state: State, peer: str) -> bool:
    """Whether it can vote, as far as anybody knows."""
    node = node_of(state, peer)
    return node.state in ("alive", "suspect") and node.runs


def describe(impact: Impact, names: Sequence[str]) -> str:
    """`node4 holds 2 leases · 4 of 5 providers stay · every job keeps its quorum`."""
    who = names[0] if len(names) == 1 else f"{len(names)} nodes"
    verb = "holds" if len(names) == 1 else "hold"
    leases = "no lease" if impact.leases == 0 else counted(impact.leases, "lease")
    if impact.stalled:
        quorum = f"{counted(len(impact.stalled), 'job')} would lose the quorum"
    else:
        quorum = "every job keeps its quorum"
    told = f"{who} {verb} {leases} · {impact.stay} of {impact.total} providers stay · {quorum}"
    return f"{told} · you can ask nothing until it is revived" if impact.mute else told
