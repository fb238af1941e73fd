"""The commands of stories. Each drives a simulated mesh and yields the lines it shows.

A host may be named by what it does: `holder:q1.1` is whoever holds the newest lease of that job.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from mesh_core.config import DEFAULT, FAST, limit
from mesh_core.effects import JobOptions
from mesh_core.lease.tolerance import tolerance
from mesh_core.ledger.record import make_record
from mesh_core.market.intake import Refusal
from mesh_core.node import Node
from mesh_core.quorum.committee import quorum, total_weight
from mesh_core.simulation.checkers import Checkers
from mesh_core.simulation.facts import JobFacts
from mesh_core.simulation.invariants import Violation
from mesh_core.simulation.network import Weather
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import messages as ms
from mesh_core.wire.codec import FrameCodec
from tests.stories.heard import Heard
from tests.stories.liars import let_lie
from tests.stories.text import parse, unparse

PATIENCE_S = 30.0
"""What `until` waits at most."""

_LOOK_EVERY_S = 0.002

_LINGER_S = 0.05
_LASTING = frozenset({"converged", "decided", "answered", "dead"})
"""After these conditions a moment passes, so that everybody has told what led to them."""

Lines = Iterator[str]


class StoryError(Exception):
    """A story is not written as it should be; the text says what is wrong."""


def play(text: str, name: str) -> str:
    """The story with what its commands really show; `name` seeds the world."""
    teller = Teller(name)
    blocks = parse(text)
    for block in blocks:
        block.shown = [line for command in block.commands for line in teller.do(command)]
    return unparse(blocks)


class Teller:
    """Carries out the commands of one story on one world."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._commands: dict[str, Callable[[list[str], dict[str, str]], Lines]] = {
            "cluster": self._cluster,
            "submit": self._submit,
            "cancel": self._cancel,
            "run": self._run,
            "until": self._until,
            "start": self._on_hosts("start"),
            "crash": self._on_hosts("crash"),
            "kill": self._on_hosts("kill"),
            "pause": self._on_hosts("pause"),
            "resume": self._on_hosts("resume"),
            "leave": self._on_hosts("leave"),
            "split": self._split,
            "heal": self._heal,
            "equivocate": self._equivocate,
            "expect": self._expect,
            "listen": self._listen,
            "show": self._show,
        }

    def do(self, line: str) -> list[str]:
        """What one command line shows."""
        name, *words = line.split()
        if name not in self._commands:
            raise StoryError(f"no command {name!r} in {line!r}; there are {', '.join(self._commands)}")
        options = dict(word.split("=", 1) for word in words if "=" in word)
        arguments = [word for word in words if "=" not in word]
        return list(self._commands[name](arguments, options))

    # ----------------------------------------------------------------------------------------- the mesh

    def _cluster(self, arguments: list[str], options: dict[str, str]) -> Lines:
        """`cluster N [takes=S] [failing=P] [loss=P] [timers=default] [retained=RECORDS] [without=HOST] [seed=S]
        [liar=HOST:VICE+VICE…]`."""
        takes_s = float(options.get("takes", "0.3"))
        liar, _, vices = options.get("liar", "").partition(":")
        self._world = World(
            Setup(
                seed=self._seed + options.get("seed", ""),
                providers=int(arguments[0]),
                timing=DEFAULT if options.get("timers") == "default" else FAST,
                weather=Weather(loss=float(options.get("loss", "0")), delay_s=0.001, jitter_s=0.0),
                appetite=Appetite(takes_s, takes_s, failing=float(options.get("failing", "0"))),
                fsync_s=(0.001, 0.001),
                retained_records=int(options.get("retained", limit("retained_records"))),
                alter=partial(let_lie, liar, vices.split("+")) if liar else None,
            )
        )
        liars = frozenset({self._world.hosts[liar].peer}) if liar else frozenset()
        self._checkers = Checkers(self._world, liars=liars)
        self._heard = Heard(self._world)
        self._world.start(*(name for name in self._world.hosts if name != options.get("without")))
        yield from self._wait(self._converged)

    def _on_hosts(self, what: str) -> Callable[[list[str], dict[str, str]], Lines]:
        def command(arguments: list[str], _options: dict[str, str]) -> Lines:
            """`start|crash|kill|pause|resume|leave HOST…`."""
            for name in [self._host(argument) for argument in arguments]:
                getattr(self._world, what)(name)
                yield f"{name}: {what}"

        return command

    def _split(self, arguments: list[str], _options: dict[str, str]) -> Lines:
        """`split HOST… | HOST…`; hosts not named are on the last side."""
        sides: list[list[str]] = [[]]
        for word in arguments:
            if word == "|":
                sides.append([])
            else:
                sides[-1].append(self._host(word))
        named = {name for side in sides for name in side}
        sides[-1] += [name for name in self._world.hosts if name not in named]
        self._world.split(sides)
        yield " | ".join(" ".join(side) for side in sides)

    def _heal(self, _arguments: list[str], _options: dict[str, str]) -> Lines:
        """`heal`."""
        self._world.heal()
        yield "whole"

    def _equivocate(self, arguments: list[str], _options: dict[str, str]) -> Lines:
        """`equivocate HOST`: its key signs two records for one place; half the mesh gets each."""
        name = self._host(arguments[0])
        thief = self._world.hosts[name]
        others = [host for host in self._world.hosts.values() if host is not thief and host.up]
        chain = _running(others[0].node).ledger.chains.authors.get(thief.peer)
        seq, prev = (chain.head_seq + 1, chain.head_hash) if chain else (1, bytes(32))
        crypto = self._world.keys.crypto(name)
        network = thief.config.network
        codec = FrameCodec(me=thief.peer, network=network, boot=thief.disk.boot + 1, crypto=crypto)
        for index, host in enumerate(others):
            record = make_record(crypto, network, thief.peer, seq, prev, 0, "note", f"side {index % 2}")
            frame, _ = codec.seal(host.peer, [ms.Records((record,))])
            self._world.inject(host.name, frame)
        self._checkers.facts.liars |= {thief.peer}
        yield f"{name}: signs two records {seq}"

    # ----------------------------------------------------------------------------------------- the work

    def _submit(self, arguments: list[str], options: dict[str, str]) -> Lines:
        """`submit LABEL [at=HOST] [shards=K] [retries=R] [execution=S] [total=S] [lies=F] [weight=W]`."""
        wanted = JobOptions(
            retries=int(options.get("retries", "3")),
            execution_ms=int(1000 * float(options.get("execution", "120"))),
            total_ms=int(1000 * float(options.get("total", "900"))),
            fault_bound=int(options.get("lies", "0")),
            submitter_weight=int(options.get("weight", "1")),
        )
        shards = tuple(range(int(options.get("shards", "1"))))
        at = options.get("at", OPERATOR)
        try:
            query = self._world.submit(at, "why?", shards, wanted, arguments[0])
            yield f"{arguments[0]}: pending" if query else f"{at} is down"
        except Refusal as refusal:
            yield f"refused: {refusal}"

    def _cancel(self, arguments: list[str], _options: dict[str, str]) -> Lines:
        """`cancel JOB`."""
        job = self._job(arguments[0])
        self._world.cancel(self._world.by_peer[job.submitter].name, job.id)
        yield f"{arguments[0]}: asked to end"

    # ----------------------------------------------------------------------------------------------- time

    def _run(self, arguments: list[str], _options: dict[str, str]) -> Lines:
        """`run S`."""

        def run() -> str:
            self._world.run_for(float(arguments[0]))
            return ""

        yield from self._watched(run)

    def _until(self, arguments: list[str], options: dict[str, str]) -> Lines:
        """`until CONDITION [NAME…] [at=HOST]`, see `_condition`."""
        yield from self._wait(self._condition(arguments, options), linger=arguments[0] in _LASTING)

    def _wait(self, wanted: Callable[[], bool], *, linger: bool = True) -> Lines:
        began = self._world.now

        def wait() -> str:
            if not self._world.run_while(lambda: not wanted(), PATIENCE_S, _LOOK_EVERY_S):
                return f"NOT within {PATIENCE_S:g} s"
            halves = math.ceil((self._world.now - began) * 2)
            if linger:
                self._world.run_for(_LINGER_S)
            return f"ok, within {halves / 2:g} s"

        yield from self._watched(wait)

    def _watched(self, go: Callable[[], str]) -> Lines:
        try:
            last = go()
            self._checkers.look()
        except Violation as violation:
            last = f"VIOLATION {violation}"
        yield from self._heard.take()
        if last:
            yield last

    def _condition(self, arguments: list[str], options: dict[str, str]) -> Callable[[], bool]:
        """`converged`; `decided|leased|voted|locked JOB…`; `dead HOST… [at=HOST]`; `answered LABEL`."""
        kind, names = arguments[0], arguments[1:]
        if kind == "converged":
            return self._converged
        if kind == "dead":
            gone = [self._host(name) for name in names]
            return lambda: all(self._is_dead(name, options.get("at")) for name in gone)
        if kind == "decided":
            return lambda: all(self._everywhere_final(name) for name in names)
        if kind == "leased":
            return lambda: all(self._lease_of(name) is not None for name in names)
        if kind == "voted":
            return lambda: all(self._has_vote(name) for name in names)
        if kind == "locked":
            return lambda: all(self._has_lock(name) for name in names)
        if kind == "answered":
            return lambda: self._query_finished(names[0])
        raise StoryError(f"no condition {kind!r}")

    # --------------------------------------------------------------------------------------------- looking

    def _listen(self, arguments: list[str], _options: dict[str, str]) -> Lines:
        """`listen KIND…`: which moments are told from now on."""
        self._heard.kinds = set(arguments)
        yield "ok"

    def _expect(self, arguments: list[str], options: dict[str, str]) -> Lines:
        """`expect CONDITION…` now, or `expect once`: nothing is settled twice."""
        if arguments == ["once"]:
            twice = [job.job.label for job in self._checkers.facts.jobs.values() if len(job.settled) > 1]
            yield f"SETTLED TWICE {twice}" if twice else "ok"
        else:
            yield "ok" if self._condition(arguments, options)() else "NO"

    def _show(self, arguments: list[str], options: dict[str, str]) -> Lines:
        """`show jobs|members|leases|votes|ledger|disk|tolerance|dropped [at=HOST]`; at the operator unless told
        otherwise."""
        shows = {
            "jobs": self._show_jobs,
            "members": self._show_members,
            "leases": self._show_leases,
            "votes": self._show_votes,
            "ledger": self._show_ledger,
            "disk": self._show_disk,
            "tolerance": self._show_tolerance,
            "dropped": self._show_dropped,
        }
        if arguments[0] not in shows:
            raise StoryError(f"cannot show {arguments[0]!r}; there are {', '.join(shows)}")
        host = self._world.hosts[self._host(options.get("at", OPERATOR))]
        yield from shows[arguments[0]](_running(host.node))

    def _show_jobs(self, node: Node) -> Lines:
        for job in sorted(node.ledger.jobs.values(), key=lambda job: job.job.label):
            value = job.value
            paid = f" by {self._called(value.holder)} for {value.price_micro}" if value else ""
            reason = f" ({value.reason})" if value and value.reason else ""
            yield f"{job.job.label} {job.state}{paid}{reason}"

    def _show_tolerance(self, node: Node) -> Lines:
        for job in sorted(node.ledger.jobs.values(), key=lambda job: job.job.label):
            told = tolerance(job.job, job.submitter)
            alone = told.silent_without_submitter
            yield (
                f"{job.job.label} W {total_weight(job.job)} q {quorum(job.job)}: {told.silent_providers} of "
                f"{told.providers} providers may be silent, without the submitter "
                f"{'nothing is decided' if alone is None else alone}; votes of weight {told.lying_weight} may lie"
            )

    def _show_dropped(self, node: Node) -> Lines:
        """What a host has made nothing of, by cause."""
        yield " ".join(sorted(node.context.dropped)) or "nothing"

    def _show_members(self, node: Node) -> Lines:
        for name, host in sorted(self._world.hosts.items()):
            member = node.membership.members.get(host.peer)
            yield f"{name} {'me' if host.peer == node.peer else member.state if member else 'unknown'}"

    def _show_leases(self, node: Node) -> Lines:
        for job in sorted(node.ledger.jobs.values(), key=lambda job: job.job.label):
            for epoch, (holder, _) in sorted(job.leases.items()):
                yield f"{job.job.label} epoch {epoch} {self._called(holder)}"

    def _show_votes(self, node: Node) -> Lines:
        """What the disk of a host holds: the rule is its key (job, epoch, phase)."""
        host = self._world.by_peer[node.peer]
        rows = [(self._called(job), epoch, phase) for job, epoch, phase in host.disk.votes]
        yield from (f"{label} epoch {epoch} {phase}" for label, epoch, phase in sorted(rows))

    def _show_disk(self, node: Node) -> Lines:
        """How much a host has on its disk."""
        disk = self._world.by_peer[node.peer].disk
        closed = node.ledger.collapsed
        yield f"{len(disk.statements)} records, votes on {len({job for job, _, _ in disk.votes})} jobs, {closed} jobs collapsed"

    def _show_ledger(self, node: Node) -> Lines:
        for peer, chain in sorted(node.ledger.chains.authors.items(), key=lambda item: self._called(item[0])):
            forked = f", forked at {chain.forked_at}" if chain.forked_at is not None else ""
            kinds = " ".join(entry.head.kind for entry in chain.chain)
            covered = f"(the first {chain.base.seq} dropped) " if chain.base.seq else ""
            yield f"{self._called(peer)} {chain.head_seq}: {covered}{kinds}{forked}"
        balances = {
            self._called(peer): account.balance_micro for peer, account in node.ledger.accounts.items()
        }
        yield f"balances {' '.join(f'{name} {amount:+d}' for name, amount in sorted(balances.items())) or 'none'}"

    # ------------------------------------------------------------------------------------------- questions

    def _converged(self) -> bool:
        hosts = self._world.hosts.values()
        ready = all(not host.booting and (not host.up or _running(host.node).context.ready) for host in hosts)
        return ready and self._checkers.unrest() is None

    def _is_dead(self, name: str, at: str | None) -> bool:
        peer = self._world.hosts[name].peer
        observers = [host for host in self._world.live() if at in (None, host.name) and host.peer != peer]
        return all(_running(host.node).membership.is_dead(peer) for host in observers)

    def _everywhere_final(self, label: str) -> bool:
        job = self._job_if_known(label)
        return job is not None and all(
            self._is_final(_running(host.node), job) for host in self._world.live()
        )

    def _is_final(self, node: Node, job: JobFacts) -> bool:
        known = node.ledger.jobs.get(job.id)
        closed = known is None and node.ledger.chains.is_closed(job.submitter, job.seq)
        return closed or (known is not None and known.final)

    def _lease_of(self, label: str) -> bytes | None:
        job = self._job_if_known(label)
        if job is None or not job.holders:
            return None
        return next(iter(job.holders[max(job.holders)]))

    def _has_vote(self, label: str) -> bool:
        job = self._job_if_known(label)
        return job is not None and any(job.voted.values())

    def _has_lock(self, label: str) -> bool:
        job = self._job_if_known(label)
        return job is not None and any(job.settling.values())

    def _query_finished(self, label: str) -> bool:
        queries = [
            query for host in self._world.live() for query in _running(host.node).queries.queries.values()
        ]
        return any(query.state.label == label and query.finished for query in queries)

    def _host(self, word: str) -> str:
        role, _, label = word.partition(":")
        if not label:
            if word not in self._world.hosts:
                raise StoryError(f"no host {word!r}")
            return word
        holder = self._lease_of(label)
        if role != "holder" or holder is None:
            raise StoryError(f"nobody is {word!r}")
        return self._called(holder)

    def _job(self, label: str) -> JobFacts:
        job = self._job_if_known(label)
        if job is None:
            raise StoryError(f"no job {label!r}")
        return job

    def _job_if_known(self, label: str) -> JobFacts | None:
        return next((job for job in self._checkers.facts.jobs.values() if job.job.label == label), None)

    def _called(self, key: bytes) -> str:
        return self._world.trace.called(key)


def _running(node: Any) -> Node:
    assert isinstance(node, Node)
    return node
