"""Commands that look: nodes, jobs, bids, leases, ledger, one job."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mesh_core.api.client import ControlError
from mesh_core.api.schema import FINAL_STATES, JobView, ReplicaView, State
from whisper_tui.commands.answer import answer_lines
from whisper_tui.commands.output import (
    axl,
    partition_line,
    print_json,
    print_line,
    print_table,
    print_text,
    short,
)
from whisper_tui.commands.starting import until_started
from whisper_tui.errors import ActionError, BadInput
from whisper_tui.model.impact import voted_weight
from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import NotFound, find_job, is_stalled, label_of, told_name, votes_needed
from whisper_tui.program import typed
from whisper_tui.reach import Reach, picture_of
from whisper_tui.supervisor.plan import Plan
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import Status

T = TypeVar("T")

NOTHING = "–"
NO_JOBS = 'no job yet: whisper-tui submit "your question"'


async def nodes(run: RunDir, as_json: bool) -> None:
    """Participants: how the mesh sees them, and how their processes are."""
    reach = await _reached(run)
    status = await reach.status()
    state = await reach.state()
    rows = _node_rows(status, state)
    if as_json:
        print_json(rows)
        return
    print_table(
        [
            "NODE",
            "STATE",
            "PROVIDER",
            "AXL",
            "SHARD",
            "PRICE",
            "LEASES",
            "DONE",
            "RESCUED",
            "BALANCE",
            "PEER",
        ],
        [
            [
                row["name"],
                row["state"],
                row["provider"]["state"],
                row["axl"]["state"],
                ",".join(str(shard) for shard in row["shards"]) or NOTHING,
                axl(row["price_micro"]),
                row["leases"],
                row["settled"],
                row["rescued"],
                axl(row["balance_micro"]),
                short(row["peer"]),
            ]
            for row in rows
        ],
        "no participants",
    )
    for view in status.processes:
        if view.note and view.part != "model":
            print_line(f"{view.name} {view.part}: {inert(view.note)}")
    if status.sides:
        print_line(partition_line(status.sides))


async def _reached(run: RunDir) -> Reach:
    """A mesh that is up, or as far up as it will be."""
    reach = Reach(run)
    await until_started(reach)
    return reach


def _node_rows(status: Status, state: State) -> list[dict[str, Any]]:
    members = {member.peer: msgspec.to_builtins(member) for member in state.members}
    rows = []
    for seat in status.plan.participants:
        unseen = {"state": "unknown", "shards": [], "price_micro": 0, "leases": 0, "settled": 0, "rescued": 0}
        processes = {
            view.part: msgspec.to_builtins(view) for view in status.processes if view.name == seat.name
        }
        member = members.pop(seat.peer, {**unseen, "balance_micro": 0})
        rows.append({**member, **msgspec.to_builtins(seat), **processes})
    elsewhere = {"provider": {"state": "elsewhere"}, "axl": {"state": "elsewhere"}}
    names = _names(status.plan, state)
    return rows + [{**member, **elsewhere, "name": names[peer]} for peer, member in members.items()]


async def jobs(run: RunDir, tail: int | None, as_json: bool) -> None:
    """The jobs the operator's node knows, the newest last; only the `tail` newest if a number is given."""
    reach = await _reached(run)
    state = await reach.state()
    in_order = sorted(state.jobs, key=lambda job: (job.submitted_ms, job.label))
    shown = in_order if tail is None else _newest(in_order, tail)
    if as_json:
        print_json(shown)
        return
    plan, gone = reach.plan(), _gone(state)
    names = _names(plan, state)
    print_table(
        [
            "JOB",
            "BY",
            "STATE",
            "SHARD",
            "HOLDER",
            "EPOCH",
            "PRICE",
            "WEIGHT/QUORUM",
            "RUNS",
            "TOKENS",
            "AGE",
            "ID",
        ],
        [
            [
                label_of(job, plan.operator.peer),
                names.get(job.submitter, short(job.submitter)),
                _standing(job, gone) + (" (rescued)" if job.rescued else ""),
                NOTHING if job.shard is None else job.shard,
                names.get(job.holder, NOTHING),
                job.epoch,
                axl(job.price_micro),
                f"{voted_weight(job)}/{job.quorum}",
                job.executions,
                job.tokens or NOTHING,
                _age(job.submitted_ms),
                short(job.job),
            ]
            for job in shown
        ],
        typed(NO_JOBS, run.root),
    )


async def bids(run: RunDir, word: str | None, as_json: bool) -> None:
    """The auctions of all jobs, of one, or of all jobs of a question."""
    reach = await _reached(run)
    state = await reach.state()
    asked = [query for query in state.queries if query.label == word]
    if asked:
        newest = max(asked, key=lambda query: query.submitted_ms).query
        chosen = [job for job in state.jobs if (job.submitter, job.query) == (state.node.peer, newest)]
    else:
        chosen = [await _find(reach, state, word)] if word else state.jobs
    if as_json:
        print_json([{"job": job.job, "label": job.label, "auction": job.auction} for job in chosen])
        return
    plan = reach.plan()
    names = _names(plan, state)
    print_table(
        ["JOB", "RANK", "BIDDER", "PRICE", "LOAD", "EXPECTED", "MODEL", "SCORE", "REFUSED"],
        [
            [
                label_of(job, plan.operator.peer),
                NOTHING if bid.refused else bid.rank,
                names.get(bid.peer, short(bid.peer)),
                axl(bid.price_micro),
                f"{bid.load:.2f}",
                f"{bid.expected_ms} ms",
                bid.model,
                f"{bid.score:.4f}",
                bid.refused,
            ]
            for job in chosen
            for bid in sorted(job.auction.bids, key=lambda bid: (bool(bid.refused), bid.rank))
        ],
        typed(NO_JOBS, run.root),
    )


async def leases(run: RunDir, as_json: bool) -> None:
    """Jobs that somebody works on now."""
    reach = await _reached(run)
    state = await reach.state()
    held = [job for job in state.jobs if job.holder and job.epoch > 0 and job.state not in FINAL_STATES]
    if as_json:
        print_json(held)
        return
    plan = reach.plan()
    names = _names(plan, state)
    print_table(
        ["JOB", "HOLDER", "STATE", "EPOCH", "LEFT", "OF", "TOKENS", "HELD BEFORE BY"],
        [
            [
                label_of(job, plan.operator.peer),
                names.get(job.holder, short(job.holder)),
                _standing(job, ()),
                job.epoch,
                f"{job.lease_left_ms / 1000:.1f}",
                f"{job.lease_ms / 1000:.1f}",
                job.tokens,
                " ".join(names.get(attempt.holder, short(attempt.holder)) for attempt in job.attempts[:-1]),
            ]
            for job in held
        ],
        "nobody holds a lease",
    )


async def ledger(run: RunDir, tail: int, as_json: bool) -> None:
    """How the replicas stand, and the newest records."""
    reach = await _reached(run)
    states = await reach.states()
    replicas = _compared({name: state.replica for name, state in states.items()})
    converged = _same_root(replicas)
    observer = next(iter(states.values()), None)
    records = _newest(sorted(observer.records if observer else [], key=lambda record: record.at_ms), tail)
    if as_json:
        print_json({"converged": converged, "replicas": replicas, "records": records})
        return
    names = _names(reach.plan(), observer) if observer else {}
    print_table(
        ["NODE", "ROOT", "RECORDS", "MISSING"],
        [[name, short(view.root), view.records, view.missing] for name, view in replicas.items()],
        "no participant answers",
    )
    print_line(f"{_agreement(replicas)}: {len(replicas)} replicas asked\n")
    print_table(
        ["AUTHOR", "SEQ", "KIND", "WHAT", "HASH"],
        [
            [
                names.get(record.author, short(record.author)),
                record.seq,
                record.kind,
                record.summary,
                short(record.hash),
            ]
            for record in records
        ],
        "no record yet",
    )


def _compared(replicas: dict[str, ReplicaView]) -> dict[str, ReplicaView]:
    """The same with all that is `missing`: what a replica knows it lacks, and what another holds and it lacks."""
    furthest: dict[str, int] = {}
    for view in replicas.values():
        for author, seq in view.heads.items():
            furthest[author] = max(seq, furthest.get(author, 0))
    return {
        name: msgspec.structs.replace(
            view,
            missing=max(
                view.missing, sum(seq - view.heads.get(author, 0) for author, seq in furthest.items())
            ),
        )
        for name, view in replicas.items()
    }


def _same_root(replicas: dict[str, ReplicaView]) -> bool:
    return len({view.root for view in replicas.values()}) == 1


def _agreement(replicas: dict[str, ReplicaView]) -> str:
    """How replicas stand to each other. An equal state does not need equal records: some change nothing in it."""
    if not _same_root(replicas):
        return "diverged"
    if behind := sum(view.missing > 0 for view in replicas.values()):
        return f"converged on one state, {behind} replicas still lack records"
    counts = {view.records for view in replicas.values()}
    if len(counts) > 1:
        return f"converged, of different length ({min(counts)} to {max(counts)} records kept)"
    return "converged"


async def job(run: RunDir, word: str, out: Path | None, as_json: bool) -> None:
    """One job in full; with `out` its receipt is written there."""
    reach = await _reached(run)
    state = await reach.state()
    found = await _find(reach, state, word)
    if out is not None:
        await _write_receipt(reach, found, out)
    if as_json:
        print_json(found)
        return
    for line in _job_lines(found, state, reach.plan()):
        print_text(line)
    if out is not None:
        print_line(typed(f"receipt written to {out}; check it with: whisper-tui verify receipt {out}"))


async def _write_receipt(reach: Reach, found: JobView, out: Path) -> None:
    try:
        receipt = await reach.certificate(found.job)
    except ControlError as error:
        raise ActionError(f"{found.label}: {error}") from error
    try:
        out.write_bytes(receipt)  # noqa: ASYNC240 - nothing else waits here
    except OSError as error:
        raise BadInput(f"{out}: {error.strerror}") from error


def _job_lines(found: JobView, state: State, plan: Plan) -> list[str]:
    names = _names(plan, state)
    shard = "all shards" if found.shard is None else f"shard {found.shard}"
    committee = " ".join(inert(names.get(peer, short(peer))) for peer in found.committee)
    fields = [
        ("job", f"{inert(label_of(found, plan.operator.peer))} {found.job}"),
        ("asked by", inert(names.get(found.submitter, short(found.submitter)))),
        ("work", f"{inert(found.kind)}, {shard}"),
        ("state", _standing(found, _gone(state)) + (f": {inert(found.reason)}" if found.reason else "")),
        ("holder", inert(names.get(found.holder, NOTHING))),
        ("price", f"{axl(found.price_micro)} AXL, at most {axl(found.max_price_micro)}"),
        ("committee", f"{committee}; quorum {found.quorum} of {found.weight}, alive {found.live_weight}"),
        ("tolerates", _tolerated(found, names)),
        ("sealed", f"{found.threshold} shares open the payload"),
        ("votes", _votes(found, names)),
    ]
    lines = [f"{name:<10} {value}" for name, value in fields]
    for attempt in found.attempts:
        holder = inert(names.get(attempt.holder, short(attempt.holder)))
        lines.append(
            f"epoch {attempt.epoch:<4} {holder} {inert(attempt.outcome)} {inert(attempt.note)}".rstrip()
        )
    opened = next((one for one in state.answers if one.job == found.job), None)
    if opened is not None:
        maker = f"made by    {inert(names.get(opened.maker, short(opened.maker)))}"
        return [*lines, maker, "", *answer_lines(opened.answer)]
    return [*lines, "", inert(found.text, 16_384)] if found.text else lines


def _standing(job: JobView, gone: Collection[str]) -> str:
    """Where a job is, or what it waits for; of one that nobody took from a submitter that is `gone`: that."""
    if job.state == "open" and job.submitter in gone:
        return "open: its submitter has gone"
    return f"stalled: {votes_needed(job)}" if is_stalled(job) else job.state


def _gone(state: State) -> set[str]:
    return {member.peer for member in state.members if member.state in ("dead", "left")}


def _votes(found: JobView, names: dict[str, str]) -> str:
    if not found.votes:
        return NOTHING
    voters = " ".join(inert(names.get(peer, short(peer))) for peer in found.votes)
    return f"{voters}; weight {voted_weight(found)}, quorum {found.quorum}"


def _tolerated(found: JobView, names: dict[str, str]) -> str:
    """How much of its committee the job does without, in a sentence."""
    bounds = found.tolerance
    said = f"any {bounds.silent_providers} of {bounds.providers} providers silent while the submitter answers"
    if bounds.silent_without_submitter is None:
        said += "; a silent submitter never"
    else:
        without = bounds.silent_without_submitter
        said += f", {f'any {without}' if without else 'none'} while it does not"
    if not bounds.lying_weight:
        return f"{said}; no lies"
    said += f"; votes of weight {bounds.lying_weight} that are lies"
    trusted = " ".join(inert(names.get(peer, short(peer))) for peer in bounds.trusted)
    return f"{said}, but none by {trusted}" if trusted else said


async def _find(reach: Reach, state: State, word: str) -> JobView:
    try:
        return find_job(picture_of(await reach.status(), state), word)
    except NotFound as error:
        raise ActionError(str(error)) from error


def _newest(in_order: list[T], count: int) -> list[T]:
    return in_order[max(0, len(in_order) - count) :]


def _names(plan: Plan, state: State) -> dict[str, str]:
    """What to call everybody: others may call themselves as they like, but not as a participant of this mesh."""
    seats = {seat.peer: seat.name for seat in plan.participants}
    others = [member for member in state.members if member.peer not in seats]
    return seats | {one.peer: told_name(one.peer, one.name, seats.values()) for one in others}


def _age(at_ms: float) -> str:
    if not at_ms:
        return NOTHING
    passed = max(0.0, time.time() - at_ms / 1000)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if passed >= length:
            return f"{passed / length:.0f} {unit}"
    return f"{passed:.0f} s"
