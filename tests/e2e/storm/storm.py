"""A storm from its beginning to what an outsider counts after it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from mesh_core.api.reports import Audit
from mesh_core.api.schema import FINAL_STATES, Event, State
from tests.e2e.command_line import Mesh, all_end, watching
from tests.e2e.processes import belonging_to
from tests.e2e.storm.customers import Customers
from tests.e2e.storm.memory import Growth, Watch, growth
from tests.e2e.storm.observer import Count, Observer, open_store
from tests.e2e.storm.schedule import blows, steps
from tests.e2e.storm.victims import Victims
from whisper_tui.script.audit import audit
from whisper_tui.supervisor.plan import OPERATOR
from whisper_tui.supervisor.rundir import RunDir

PROVIDERS = 6
EXEC_DELAY_S = 0.3
SETTLED_S = 90.0
"""How long a mesh that is whole again may take to finish everything; a few seconds on a machine with nothing to do."""

WATCHED_S = 120.0
"""In a storm that lasts so long a provider and the operator are spared from death, so that their memory can be watched."""

ENDED_S = 2.0
"""How long a process may still be there when the mesh is down."""

ACTIONS_SHOWN = 25
STUMBLED = re.compile(r'Traceback|"bug"|internal error|Exception ignored|was never (awaited|retrieved)')


@dataclass
class Result:
    """What was done, and what came of it."""

    seed: int
    lasted_s: float
    done: Counter[str]
    questions: int
    promised: int
    receipts: int
    refusals: Counter[str]
    told: list[str]
    settled_after_s: float = 0.0
    growth: list[Growth] = field(default_factory=list)
    count: Count = field(default_factory=Count)
    audit: Audit | None = None
    roots: set[str] = field(default_factory=set)
    sums: set[int] = field(default_factory=set)
    leaked: dict[int, str] = field(default_factory=dict)
    stumbled: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        blows = ", ".join(f"{many} {kind}" for kind, many in sorted(self.done.items()))
        outcomes = ", ".join(f"{many} {outcome}" for outcome, many in sorted(self.count.outcomes.items()))
        wrong = {kind: len(named) for kind, named in self.count.wrong.items()} or "nothing wrong"
        return (
            f"storm --storm-seed {self.seed}, {self.lasted_s:.0f} s: {blows}; {self.questions} questions, "
            f"{self.count.jobs} jobs ({outcomes}; {self.count.rescued} rescued, {self.promised} promised), "
            f"{self.count.certificates} certificates, {self.receipts} receipts, settled {self.settled_after_s:.1f} s "
            f"after{self._memory()}; {wrong}"
        )

    def _memory(self) -> str:
        """What the replica that grew most has kept of a job, if any has lived long enough to tell."""
        kept = [one.bytes / one.jobs for one in self.growth if one.bytes_per_job_max and one.jobs]
        return f", {max(kept) / 1024:.0f} KB of memory per job" if kept else ""

    def story(self) -> str:
        """The last of what happened, for whoever has to find out why."""
        refusals = [f"  {many} × {refusal}" for refusal, many in self.refusals.items()]
        return "\n".join([str(self), *self.told[-ACTIONS_SHOWN:], "refused:", *refusals])


class Storm:
    """One storm over a mesh of its own in `folder`. Its clock stands still while something is done to the mesh: a storm that
    is not `whole` ends when `lasting_s` are over on everybody's clock."""

    def __init__(self, folder: Path, seed: int, lasting_s: float, *, whole: bool = False) -> None:
        self.mesh = Mesh(folder / "run")
        self._run = RunDir(self.mesh.folder)
        self.seed = seed
        self._lasting_s = lasting_s
        self._at_most_s = math.inf if whole else lasting_s
        self._victims: Victims
        self._customers: Customers

    def start(self) -> None:
        """Bring the mesh up."""
        up = self.mesh.up("--count", str(PROVIDERS), "--exec-delay", str(EXEC_DELAY_S))
        assert up.returncode == 0, up.stderr

    def end(self) -> None:
        """End what a storm that failed has left running."""
        left = belonging_to(self.mesh.folder)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        if left:
            self.mesh.whisper("down")

    def rage(self) -> Result:
        """The storm, the calm after it, the end of the mesh, and the count."""
        try:
            result = asyncio.run(self._rage())
        except BaseException as error:
            error.add_note(self._story())
            raise
        down = self.mesh.whisper("down")
        assert down.returncode == 0, down.stderr
        result.leaked = self._leaked()
        result.stumbled = self._stumbles()
        stores = [open_store(self._run.participant(name).store) for name in self._victims.names]
        result.audit = asyncio.run(audit(self._run, self._victims.names, []))
        result.count = Observer(stores).judge(
            self._customers.accepted, self._customers.receipts, self._customers.cancelled
        )
        return result

    async def _rage(self) -> Result:
        self._victims = Victims(self.mesh)
        spared = [Random(self.seed).choice(self._victims.names[:PROVIDERS]), OPERATOR]
        dealt = blows(
            self.seed, self._victims.names, self._lasting_s, spared if self._lasting_s >= WATCHED_S else []
        )
        now = asyncio.get_running_loop().time
        async with self._victims.watched(), asyncio.TaskGroup() as collecting:
            self._customers = Customers(self._victims, self.seed, collecting)
            watch = Watch(self._pids, lambda: len(self._customers.settled))
            begins_s = now()
            async with _meanwhile(self._customers.ask()), _meanwhile(watch.run()):
                await self._victims.suffer(steps(dealt), self._at_most_s)
            ends_s = now()
            states = await self._settled()
            settled_s = now() - ends_s
        result = self._result(ends_s - begins_s)
        result.settled_after_s = settled_s
        result.growth = growth(watch.samples)
        result.roots = {state.replica.root for state in states.values()}
        result.sums = {sum(member.balance_micro for member in state.members) for state in states.values()}
        await self._collect_the_rest()
        result.receipts = len(self._customers.receipts)
        return result

    def _result(self, lasted_s: float) -> Result:
        return Result(
            self.seed,
            lasted_s,
            self._victims.done,
            self._customers.asked,
            len(self._customers.accepted),
            len(self._customers.receipts),
            self._customers.refusals,
            self._victims.told,
        )

    def _pids(self) -> dict[str, int]:
        pids = {
            f"{name} {part}": view.pid for (name, part), view in self._victims.processes.items() if view.pid
        }
        supervisor = self._run.running()
        return {**pids, "supervisor": supervisor.pid} if supervisor is not None else pids

    # ------------------------------------------------------------------------------------------ the calm

    async def _settled(self) -> dict[str, State]:
        """Everybody's state, as soon as all is well: everybody alive everywhere, nothing open, one root."""
        sights = {name: Sight() for name in self._victims.names}
        by_peer = {seat.peer: sights[seat.name] for seat in self._victims.plan.participants}
        problem = "nobody has said anything"
        try:
            async with (
                asyncio.timeout(SETTLED_S),
                aclosing(self._victims.events_of(self._victims.names)) as events,
            ):
                async for event in events:
                    if event.node in by_peer and by_peer[event.node].take(event):
                        problem = _unsettled(sights)
                        if not problem:
                            return await self._victims.reach.states()
        except TimeoutError:
            pass
        raise AssertionError(f"{SETTLED_S:.0f} s after the storm: {problem}")

    def _story(self) -> str:
        return self._result(self._lasting_s).story()

    async def _collect_the_rest(self) -> None:
        """Receipts of what was settled while nobody listened."""
        receipts = self._customers.receipts
        for number, job in enumerate(sorted(self._customers.accepted - receipts.keys())):
            name = self._victims.names[number % len(self._victims.names)]
            receipts[job] = await self._victims.control(name).certificate(job)

    # ----------------------------------------------------------------------------------------- the count

    def _leaked(self) -> dict[int, str]:
        """Processes that are still there; one that is just ending gets a moment."""
        for pid in belonging_to(self.mesh.folder):
            with contextlib.suppress(ProcessLookupError), watching([pid]) as handles:
                all_end(handles, ENDED_S)
        return belonging_to(self.mesh.folder)

    def _stumbles(self) -> list[str]:
        """Lines of logs that tell of a mistake of ours."""
        found = []
        for path in sorted(self.mesh.folder.rglob("*")):
            if path.suffix in {".log", ".out", ".1"}:
                for line in path.read_text(errors="replace").splitlines():
                    if STUMBLED.search(line):
                        found.append(f"{path.relative_to(self.mesh.folder)}: {line[:2000]}")
        return found


class Sight:
    """One participant's own view of the mesh, as its events tell it."""

    def __init__(self) -> None:
        self._node: dict[str, Any] = {}
        self._members: dict[str, str] = {}
        self._open: dict[str, set[str]] = {"job": set(), "query": set()}
        self.replica: dict[str, Any] = {}

    def take(self, event: Event) -> bool:
        """One more event; whether it is a view that matters."""
        match event.kind:
            case "node":
                self._node = event.data
            case "member":
                self._members[event.data["peer"]] = event.data["state"]
            case "replica":
                self.replica = event.data
            case "job" | "query":
                ended = event.data["state"] in FINAL_STATES | {"answered"}
                name = f"{event.data['label']} {event.data[event.kind][:8]}"
                (self._open[event.kind].discard if ended else self._open[event.kind].add)(name)
            case _:
                return False
        return True

    def problem(self, others: int) -> str:
        """What is not well here; empty when all is."""
        if not self._node or not self._node["ready"] or not self.replica:
            return "is not ready"
        for kind, names in self._open.items():
            if names:
                return f"has {len(names)} undecided: {kind} {min(names)}"
        alive = sum(state == "alive" for state in self._members.values())
        if alive != others:
            return f"sees {alive} alive"
        return str(self._node["problem"]) or ("is cut off" if self._node["partitioned_from"] else "")


def _unsettled(sights: dict[str, Sight]) -> str:
    """What is not well in the mesh yet; empty when all is."""
    for name, sight in sights.items():
        problem = sight.problem(len(sights))
        if problem:
            return f"{name} {problem}"
    replicas = [(sight.replica["root"], sight.replica["vector"]) for sight in sights.values()]
    return "the replicas differ" if len(set(replicas)) > 1 else ""


@contextlib.asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """`work` runs while the block does; what goes wrong with it goes wrong here."""
    task = asyncio.create_task(work)
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
