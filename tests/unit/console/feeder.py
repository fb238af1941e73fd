"""Plays a mesh's events: six providers and an operator, jobs, kills, rescues, on a virtual clock.

Only what the console is told is imitated, in the shapes of `mesh_core.api.schema`; nothing here decides
anything. Times are milliseconds after `START_MS`.
"""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from mesh_core.api.schema import (
    AnswerView,
    AttemptView,
    AuctionView,
    BidView,
    Event,
    JobView,
    MemberView,
    NodeView,
    OpenedView,
    PassageView,
    QueryView,
    RecordView,
    ReplicaView,
)
from whisper_tui.model.reducer import reduce
from whisper_tui.model.state import SUPERVISOR, State, initial_state

START_MS = 1_767_268_800_000.0  # 2026-01-01 12:00:00 UTC
OPERATOR = "operator"
TEXTS = (
    "Attention lets a model weigh every other word when it encodes one.",
    "Gradient descent follows the slope of the loss, one batch at a time.",
    "Regularisation keeps weights small, so that noise is not learnt.",
    "A convolution shares its weights across the whole picture.",
    "Backpropagation is the chain rule applied from the loss back to the input.",
    "A learning rate that falls lets training settle instead of bouncing.",
)


def peer_of(name: str) -> str:
    """A made-up peer id."""
    return hashlib.sha256(name.encode()).hexdigest()


class Feeder:
    """A mesh that never was. Every method returns the events it caused, in order; `events` has them all."""

    def __init__(self, count: int = 6) -> None:
        self.names = [f"node{number}" for number in range(1, count + 1)]
        self.everyone = [*self.names, OPERATOR]
        self.now_ms = 0.0
        self.events: list[Event] = []
        self.dead: set[str] = set()
        self.members: dict[str, MemberView] = {name: self._member(name) for name in self.everyone}
        self.jobs: dict[str, JobView] = {}
        self.queries: dict[str, QueryView] = {}
        self.root = "00" * 32
        self.records = 0
        self._seq: dict[str, int] = {}

    # ------------------------------------------------------------------------------------------- events

    def wait(self, ms: float) -> None:
        """Let time pass."""
        self.now_ms += ms

    def state(self, **options: Any) -> State:
        """All events so far, reduced."""
        state = initial_state(**options)
        for event in self.events:
            state = reduce(state, event)
        return state

    def tell(self, node: str, kind: str, data: dict[str, Any]) -> Event:
        """One event reported by `node` (a name, or the supervisor)."""
        seq = self._seq[node] = self._seq.get(node, 0) + 1
        peer = SUPERVISOR if node == SUPERVISOR else peer_of(node)
        event = Event(seq, START_MS + self.now_ms, peer, kind, data)
        self.events.append(event)
        return event

    def survivors(self) -> list[str]:
        """Everybody who can still report."""
        return [name for name in self.everyone if name not in self.dead]

    def _everywhere(self, kind: str, data: dict[str, Any], step_ms: float = 1.0) -> None:
        start = self.now_ms
        for index, name in enumerate(self.survivors()):
            self.now_ms = start + index * step_ms
            self.tell(name, kind, data)

    # ------------------------------------------------------------------------------------------ start-up

    def start(self) -> None:
        """Processes, streams, members and replicas, all well."""
        for name in self.everyone:
            for part in ("axl", "provider"):
                data = {
                    "name": name,
                    "part": part,
                    "pid": 1000 + len(self.events),
                    "state": "running",
                    "exit_code": None,
                }
                self.tell(SUPERVISOR, "process", data)
        for name in self.everyone:
            self.source(name, "live", fresh=True)
            self.tell(name, "node", to_builtins(self._node(name)))
            for member in self.members.values():
                self.tell(name, "member", to_builtins(member))
        for name in self.everyone:
            self._record(name, "announce", "", f"{name} announces answer, combine")
        self.replicas()

    def source(self, name: str, state: str, *, fresh: bool = False, retry_ms: int = 0) -> None:
        """How a stream stands."""
        data = {"node": name, "peer": peer_of(name), "state": state, "fresh": fresh, "retry_ms": retry_ms}
        self.tell(SUPERVISOR, "source", data)

    def _node(self, name: str) -> NodeView:
        role = "operator" if name == OPERATOR else "provider"
        return NodeView(
            peer=peer_of(name),
            name=name,
            role=role,
            network="local",
            boot=1,
            version="0.1.0",
            fast=True,
            executes=role == "provider",
            ready=True,
            problem="",
            partitioned_from=[],
            backend="llama.cpp SmolLM2-135M",
            corpus="c0ffee",
            shards_total=len(self.names),
        )

    def _member(self, name: str) -> MemberView:
        provider = name != OPERATOR
        number = self.names.index(name) + 1 if provider else 0
        return MemberView(
            peer=peer_of(name),
            name=name,
            role="provider" if provider else "operator",
            state="alive",
            incarnation=1,
            since_ms=START_MS,
            accusers=[],
            capabilities=["answer", "combine"] if provider else [],
            price_micro=9_000 + 1_000 * number if provider else 0,
            shards=[number] if provider else [],
            models=["SmolLM2-135M"] if provider else [],
            ens_name="",
            neighbour=True,
            attached=True,
            balance_micro=0,
            leases=0,
            settled=0,
            rescued=0,
        )

    # -------------------------------------------------------------------------------------------- ledger

    def _record(self, author: str, kind: str, job: str, summary: str, epoch: int = 0) -> None:
        self.records += 1
        digest = hashlib.sha256(f"{author}{kind}{job}{self.records}".encode()).hexdigest()
        view = RecordView(
            digest, peer_of(author), self.records, kind, job, summary, START_MS + self.now_ms, 412, epoch
        )
        if kind == "settle":
            self.root = digest
        self._everywhere("record", to_builtins(view), 0.2)

    def replicas(self, *names: str, root: str | None = None, missing: int = 0) -> None:
        """Replica views of `names`, of all survivors by default."""
        for name in names or self.survivors():
            heads = {peer_of(author): 10 - missing for author in self.everyone}
            view = ReplicaView(root or self.root, "ab" * 32, self.records - missing, heads, missing, {}, [])
            self.tell(name, "replica", to_builtins(view))

    # ---------------------------------------------------------------------------------------------- work

    def submit(self, text: str = "how does a neural network learn", label: str = "q1") -> QueryView:
        """A question: one answer job per shard and a combine job, accepted on a quorum of disks."""
        query = peer_of(f"query {label}")[:32]
        command = f'whisper-tui submit "{text}"'
        self.action("submit", [label], command)
        numbers = range(1, len(self.names) + 1)
        jobs = [self._submit_job(query, label, number) for number in numbers]
        view = QueryView(
            query=query,
            label=label,
            text=text,
            jobs=[job.job for job in jobs],
            combine="",
            total=len(jobs),
            settled=0,
            running=0,
            state="running",
            submitted_ms=START_MS + self.now_ms,
            finished_ms=0,
            answer=None,
        )
        self.queries[label] = view
        self._tell_query(label)
        return view

    def _submit_job(self, query: str, label: str, index: int) -> JobView:
        name = f"{label}.{index}" if index else f"{label}.c"
        job = peer_of(f"job {name}")
        view = JobView(
            job=job,
            label=name,
            query=query,
            index=index,
            kind="answer" if index else "combine",
            shard=index or None,
            submitter=peer_of(OPERATOR),
            state="open",
            holder="",
            epoch=0,
            lease_left_ms=0,
            lease_ms=2_000,
            max_price_micro=50_000,
            price_micro=0,
            quorum=4,
            weight=7,
            fault_bound=0,
            threshold=4,
            committee=[peer_of(each) for each in self.everyone],
            live_weight=len(self.survivors()),
            executions=0,
            rescued=False,
            submitted_ms=START_MS + self.now_ms,
            accepted_ms=START_MS + self.now_ms + 4,
            first_started_ms=0,
            settled_ms=0,
            votes=[],
            reason="",
            text="",
            tokens=0,
            auction=AuctionView("open", START_MS + self.now_ms, 0, 400, [], []),
            attempts=[],
        )
        self.tell(OPERATOR, "job_submitted", {"job": job, "label": name})
        self.tell(OPERATOR, "job_accepted", {"job": job, "stored": 5})
        self._record(OPERATOR, "job", job, f"{name} {view.kind}")
        self._tell_job(view)
        return view

    def award(self, label: str, winner: str) -> None:
        """The auction closes, best bid first."""
        job = self.jobs[label]
        ranking = [winner, *(name for name in self.names if name != winner and name not in self.dead)]
        bids = [
            BidView(
                peer=peer_of(name),
                price_micro=9_000 + 1_000 * (self.names.index(name) + 1),
                load=0.0,
                expected_ms=400,
                model="SmolLM2-135M",
                score=0.01 + 0.001 * rank,
                parts={"price": 0.01, "locality": 0.005 if rank else 0.0},
                rank=rank + 1,
                refused="",
            )
            for rank, name in enumerate(ranking)
        ]
        ranked = [peer_of(name) for name in ranking]
        auction = AuctionView("closed", job.submitted_ms, job.submitted_ms + 9, 400, bids, ranked)
        self._tell_job(replace(job, state="awarded", auction=auction))
        data = {"job": job.job, "winner": peer_of(winner), "bids": len(bids), "took_ms": 9}
        self.tell(OPERATOR, "auction_closed", data)
        self._record(OPERATOR, "award", job.job, f"{label} to {winner}")

    def lease(self, label: str, holder: str) -> None:
        """The next epoch is leased; what ran before is lost."""
        job = self.jobs[label]
        epoch = job.epoch + 1
        now = START_MS + self.now_ms
        ended = [
            replace(attempt, ended_ms=now, outcome="lost", note="holder is dead")
            if not attempt.ended_ms
            else attempt
            for attempt in job.attempts
        ]
        attempt = AttemptView(epoch, peer_of(holder), now, now + 2, 0, 0, "running", "")
        job = replace(
            job,
            state="leased",
            holder=peer_of(holder),
            epoch=epoch,
            lease_left_ms=job.lease_ms,
            executions=job.executions + 1,
            rescued=epoch > 1,
            first_started_ms=job.first_started_ms or now + 2,
            attempts=[*ended, attempt],
            text="",
            tokens=0,
            live_weight=len(self.survivors()),
        )
        self._tell_job(job)
        data = {"job": job.job, "epoch": epoch, "holder": peer_of(holder), "promised": 4}
        self.tell(OPERATOR, "lease_granted", data)
        if holder not in self.dead:
            self.tell(holder, "lease_granted", data)
            self.tell(holder, "execution_started", {"job": job.job, "epoch": epoch})
        self._record(OPERATOR, "lease", job.job, f"{label} epoch {epoch} to {holder}", epoch)
        self._tell_members()
        self._tell_query(label.partition(".")[0])

    def stream(self, label: str, tokens: int) -> None:
        """Some text of the running answer arrives."""
        job = self.jobs[label]
        words = TEXTS[(job.index - 1) % len(TEXTS)].split()
        text = " ".join(words[: max(1, len(words) * min(tokens, 400) // 400)])
        attempts = [*job.attempts[:-1], replace(job.attempts[-1], tokens=tokens)]
        self._tell_job(replace(job, tokens=tokens, text=text, attempts=attempts))

    def settle(self, label: str, outcome: str = "settled") -> None:
        """The job's certificate is there, and every survivor has it."""
        job = self.jobs[label]
        now = START_MS + self.now_ms
        votes = [peer_of(name) for name in self.survivors()[:4]]
        attempts = [*job.attempts[:-1], replace(job.attempts[-1], ended_ms=now, outcome=outcome)]
        tokens = max(job.tokens, 412)
        settled = replace(
            job,
            state="settled",
            settled_ms=now,
            votes=votes,
            price_micro=10_000,
            attempts=attempts,
            tokens=tokens,
        )
        self.jobs[label] = settled
        query = label.partition(".")[0]
        for name in self.survivors():
            self.now_ms += 0.5
            data = {
                "job": job.job,
                "epoch": job.epoch,
                "outcome": "result",
                "holder": job.holder,
                "price_micro": 10_000,
                "votes": len(votes),
            }
            self.tell(name, "job_settled", data)
            self.tell(name, "job", to_builtins(settled))
        self._record(OPERATOR, "settle", job.job, f"{label} result, 4 votes", job.epoch)
        self.tell(OPERATOR, "result_opened", {"job": job.job})
        if outcome == "settled":
            self._open(settled)
        self._tell_members()
        if query in self.queries:
            self._tell_query(query)
        self.replicas()

    def _open(self, job: JobView) -> None:
        text = TEXTS[(job.index - 1) % len(TEXTS)]
        passages = [PassageView(job.index, f"text{job.index}.md", f"A passage of shard {job.index}.")]
        answer = AnswerView(text, "llama.cpp SmolLM2-135M", passages, [])
        self.tell(OPERATOR, "answer", to_builtins(OpenedView(job.job, job.holder, answer)))

    def answer(self, label: str = "q1") -> None:
        """The combined answer of a question."""
        query = self.queries[label]
        passages = [PassageView(shard, f"text{shard}.md", TEXTS[shard - 1]) for shard in (1, 2, 5)]
        text = (
            "A network learns by sending the error back through its layers and moving each weight against it."
        )
        answer = AnswerView(text, "llama.cpp SmolLM2-135M", passages, [])
        self.queries[label] = replace(
            query, state="answered", finished_ms=START_MS + self.now_ms, answer=answer
        )
        self._tell_query(label)
        self.tell(OPERATOR, "query_answered", {"query": query.query, "label": label})

    def _tell_job(self, view: JobView) -> None:
        self.jobs[view.label] = view
        self.tell(OPERATOR, "job", to_builtins(view))

    def _tell_query(self, label: str) -> None:
        query = self.queries[label]
        jobs = [job for job in self.jobs.values() if job.query == query.query and job.index]
        settled = sum(job.state == "settled" for job in jobs)
        running = sum(job.state == "leased" for job in jobs)
        self.queries[label] = replace(query, settled=settled, running=running)
        self.tell(OPERATOR, "query", to_builtins(self.queries[label]))

    def _tell_members(self) -> None:
        for name, member in self.members.items():
            held = sum(job.holder == member.peer and job.state == "leased" for job in self.jobs.values())
            settled = sum(job.holder == member.peer and job.state == "settled" for job in self.jobs.values())
            rescued = sum(
                job.holder == member.peer and job.rescued and job.state == "settled"
                for job in self.jobs.values()
            )
            told = replace(member, leases=held, settled=settled, rescued=rescued)
            if told != member:
                self.members[name] = told
                self.tell(OPERATOR, "member", to_builtins(told))

    # ------------------------------------------------------------------------------------------ disturbance

    def action(self, action: str, targets: list[str], command: str) -> None:
        """What the operator did."""
        data = {
            "action": action,
            "targets": targets,
            "by": "you",
            "at_ms": START_MS + self.now_ms,
            "command": command,
        }
        self.tell(SUPERVISOR, "action", data)

    def kill(self, *names: str) -> None:
        """SIGKILL of both processes of each; links are lost at once."""
        self.action("kill", list(names), f"whisper-tui kill {' '.join(names)}")
        self.dead |= set(names)
        for name in names:
            for part in ("provider", "axl"):
                data = {"name": name, "part": part, "pid": 0, "state": "killed", "exit_code": -9}
                self.tell(SUPERVISOR, "process", data)
            self.source(name, "stale", retry_ms=200)
        self.wait(7)
        for name in names:
            self._everywhere("neighbour_lost", {"peer": peer_of(name)})

    def suspect(self, *names: str) -> None:
        """Every survivor suspects them."""
        for name in names:
            self._see(name, "suspect")
            self._everywhere("member_suspected", {"peer": peer_of(name), "by": peer_of(OPERATOR)})

    def confirm(self, *names: str) -> None:
        """Every survivor confirms them dead."""
        for name in names:
            self._see(name, "dead")
            self._everywhere("member_dead", {"peer": peer_of(name), "accusers": 3})

    def revive(self, name: str) -> None:
        """The participant comes back with the same key."""
        self.action("revive", [name], f"whisper-tui revive {name}")
        self.dead.discard(name)
        self._seq[name] = 0
        for part in ("axl", "provider"):
            data = {"name": name, "part": part, "pid": 2000, "state": "running", "exit_code": None}
            self.tell(SUPERVISOR, "process", data)
        self.wait(300)
        self.source(name, "live", fresh=True)
        self.tell(name, "node", to_builtins(self._node(name)))
        self._see(name, "alive")
        for member in self.members.values():
            self.tell(name, "member", to_builtins(member))
        self._everywhere("member_alive", {"peer": peer_of(name), "incarnation": 2})
        self.replicas()

    def _see(self, name: str, state: Any) -> None:
        accusers = [peer_of(each) for each in self.survivors()[:3]] if state != "alive" else []
        view = replace(self.members[name], state=state, since_ms=START_MS + self.now_ms, accusers=accusers)
        self.members[name] = view
        self.tell(OPERATOR, "member", to_builtins(view))


def rescue_story(count: int = 6, *, until: str = "end") -> Feeder:
    """Six jobs on six providers, three killed while they run, all rescued and answered.

    `until`: `started`, `running`, `killed`, `suspected`, `confirmed`, `rescued` or `end`.
    """
    mesh = Feeder(count)
    mesh.start()
    if until == "started":
        return mesh
    mesh.wait(2_000)
    mesh.submit()
    for number in range(1, count + 1):
        mesh.wait(2)
        mesh.award(f"q1.{number}", f"node{number}")
    mesh.wait(9)
    for number in range(1, count + 1):
        mesh.lease(f"q1.{number}", f"node{number}")
    for round_number in range(1, 5):
        mesh.wait(250)
        for number in range(1, count + 1):
            mesh.stream(f"q1.{number}", 60 * round_number + 7 * number)
    if until == "running":
        return mesh
    mesh.kill("node2", "node4", "node6")
    if until == "killed":
        return mesh
    mesh.wait(120)
    mesh.suspect("node2", "node4", "node6")
    if until == "suspected":
        return mesh
    mesh.wait(600)
    mesh.confirm("node2", "node4", "node6")
    if until == "confirmed":
        return mesh
    mesh.wait(50)
    for label, holder in (("q1.2", "node1"), ("q1.4", "node3"), ("q1.6", "node5")):
        mesh.lease(label, holder)
    if until == "rescued":
        return mesh
    mesh.wait(180)
    for number in range(1, count + 1):
        mesh.stream(f"q1.{number}", 400)
        mesh.settle(f"q1.{number}")
    mesh.wait(90)
    mesh.answer()
    return mesh
