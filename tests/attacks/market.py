"""The mesh under attack: an operator and providers as real processes, and what must still be true of them afterwards."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import structs

from mesh_core.api.client import ControlClient
from mesh_core.api.schema import JobView, MemberView, QueryView, State
from tests.attacks.attacker import Voice, from_word
from tests.e2e.mesh import PATIENCE_S, Mesh, Participant

HONEST_WORK_S = 10.0
"""In what time an honest question has to be answered whatever happens; half a second on a machine with nothing to do."""
CUSTOMERS = 24
CREDIT_MICRO = 10_000_000
QUESTION = "What does attention do?"
TEXT = """Attention lets a model weigh every word of its input against every other one.

The weights come from the similarity of queries and keys, and select among values.
"""


@dataclass(frozen=True)
class Standing:
    """What an attack must leave as it was: what the honest agree on, have and are."""

    root: str
    balances: dict[str, int]
    members: dict[str, MemberView]


class Market:
    """An operator, providers, and customers with credit whose keys are anybody's."""

    def __init__(self, folder: Path, corpus: Path, providers: int, exec_delay_s: float) -> None:
        self.folder = folder
        self.mesh = Mesh(folder)
        self.operator = self.mesh.add("operator")
        self._customers = [Voice(from_word(f"customer {number}")) for number in range(CUSTOMERS)]
        payers = [self.operator, *self._customers]
        self.providers = [
            self.mesh.add(f"node{number + 1}", executes=True, submitters=payers)
            for number in range(providers)
        ]
        for participant in self.everybody:
            line = f'corpus_index = "{corpus}"\nexec_delay_s = {exec_delay_s}\n[credit]\n'
            participant.change("[credit]\n", line)
        self.answered = 0
        """Honest questions so far."""
        self._read = dict.fromkeys(self._logs(), 0)

    @property
    def everybody(self) -> list[Participant]:
        """All honest participants."""
        return [self.operator, *self.providers]

    def customer(self) -> Voice:
        """Somebody with credit that nobody has been before."""
        return self._customers.pop()

    def restart(self, participant: Participant) -> None:
        """Kill one mesh process and start it again."""
        assert participant.provider is not None
        participant.provider.kill()
        participant.provider.wait()
        participant.start_provider()

    def open(self) -> None:
        """Start, and wait until all see all."""
        self.mesh.start()
        asyncio.run(self.mesh.converged())

    def close(self) -> None:
        """End every process."""
        self.mesh.end()

    # ------------------------------------------------------------------------------------- what holds

    async def standing(self) -> Standing:
        """What the honest agree on, once they do."""
        states = await self.agreed()
        honest = {one.peer for one in self.everybody}
        seen = states[0].members
        return Standing(
            states[0].replica.root,
            {one.peer: one.balance_micro for one in seen if one.peer in honest},
            {one.peer: _lasting(one) for one in seen if one.peer in honest},
        )

    async def agreed(self) -> list[State]:
        """Everybody's state, as soon as all roots are equal and all honest members alive everywhere."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await asyncio.gather(*(one.health() for one in self.everybody))
                states = await asyncio.gather(*(one.client().state() for one in self.everybody))
                if len({state.replica.root for state in states}) == 1 and all(map(self._all_alive, states)):
                    return list(states)
                await self._something_moves([state.seq for state in states])

    async def _something_moves(self, since: list[int]) -> None:
        """Wait for the next event of anybody."""

        async def moves(participant: Participant, seq: int) -> None:
            async for _ in participant.client().events(seq):
                return

        pairs = zip(self.everybody, since, strict=True)
        watching = [asyncio.create_task(moves(one, seq)) for one, seq in pairs]
        try:
            await asyncio.wait(watching, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in watching:
                one.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    def _all_alive(self, state: State) -> bool:
        alive = {one.peer for one in state.members if one.state == "alive"}
        return state.node.ready and alive.issuperset(one.peer for one in self.everybody)

    async def answers(self, within_s: float = HONEST_WORK_S) -> QueryView:
        """An honest question is answered in time, and settled once."""
        client = self.operator.client()
        async with asyncio.timeout(within_s):
            query = (await client.command("submit", text=QUESTION))["query"]
            answered = await self._finished(client, query)
        assert answered.state == "answered", answered
        assert answered.answer is not None
        assert answered.answer.passages
        self.answered += 1
        return answered

    async def _finished(self, client: ControlClient, query: str) -> QueryView:
        """A question of the operator's, once it is no longer running."""
        async for event in client.events():
            if event.kind == "query" and event.data["query"] == query and event.data["state"] != "running":
                return msgspec.convert(event.data, QueryView)
        raise AssertionError("the operator ended")

    async def job_where(self, at: Participant, job: bytes, *states: str) -> JobView:
        """A job as one participant sees it, once it is in one of these states."""
        name = job.hex()
        state = await at.state_when(
            lambda state: any(one.job == name and one.state in states for one in state.jobs)
        )
        return next(one for one in state.jobs if one.job == name)

    async def counted(self, at: Participant, metric: str) -> float:
        """A counter of one participant, 0 while it was never counted."""
        for line in (await at.client().metrics()).splitlines():
            name, _, value = line.rpartition(" ")
            if name == metric:
                return float(value)
        return 0.0

    async def dropped(self, at: Participant, cause: str) -> float:
        """How many frames, messages and statements it has dropped for this cause."""
        return await self.counted(at, f'whisper_dropped_total{{cause="{cause}"}}')

    def held_bytes(self, at: Participant) -> int:
        """Resident memory of its mesh process."""
        return held_by(self._pid(at))

    def _pid(self, participant: Participant) -> int:
        assert participant.provider is not None
        assert participant.axl is not None
        for process in (participant.provider, participant.axl):
            assert process.poll() is None, f"{participant.name}: a process has ended"
        return participant.provider.pid

    # ------------------------------------------------------------------------------------------- logs

    def _logs(self) -> Iterator[Path]:
        for participant in self.mesh.participants:
            for name in ("provider.log", "provider.err", "axl.log"):
                yield participant.folder / name

    def news(self) -> str:
        """What has been logged since the last look."""
        text = ""
        for path in self._logs():
            if path.exists():
                content = path.read_bytes()
                text += content[self._read.get(path, 0) :].decode(errors="replace")
                self._read[path] = len(content)
        return text

    def has_not_stumbled(self) -> None:
        """No process has ended, and no log tells of a mistake of ours."""
        for participant in self.everybody:
            self._pid(participant)
        news = self.news()
        for word in ("Traceback", '"bug"', "internal error"):
            assert word not in news, news[max(0, news.index(word) - 500) :][:3000]


@asynccontextmanager
async def unharmed(market: Market, *, pays: bool = False) -> AsyncIterator[None]:
    """Whatever happens in the block leaves the honest as they were and does not keep them from their work.

    What they earn of each other meanwhile is theirs; `pays`: so is what they earn of the attackers.
    """
    market.news()
    before, answered = await market.standing(), market.answered
    yield
    after = await market.standing()
    assert after.members == before.members
    gained = {peer: micro - before.balances[peer] for peer, micro in after.balances.items()}
    if pays:
        assert sum(gained.values()) >= 0
    else:
        assert sum(gained.values()) == 0
    if market.answered == answered:
        assert min(gained.values()) >= 0
        assert after.root == before.root or pays
    await market.answers()
    market.has_not_stumbled()


def held_by(pid: int) -> int:
    """Resident memory of a process, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS"))


def _lasting(member: MemberView) -> MemberView:
    """A member's view without what changes by itself."""
    return structs.replace(
        member,
        since_ms=0.0,
        incarnation=0,
        accusers=[],
        neighbour=True,
        attached=True,
        leases=0,
        settled=0,
        rescued=0,
        balance_micro=0,
    )


def build_corpus(folder: Path) -> Path:
    """The index of one short document, as one shard."""
    source, out = folder / "documents", folder / "corpus"
    source.mkdir()
    (source / "attention.txt").write_text(TEXT)
    argv = [sys.executable, "-m", "mesh_core.work.corpus", "build", "--shards", "1"]
    subprocess.run([*argv, "--source", str(source), "--out", str(out)], check=True, capture_output=True)
    return next(out.glob("*.db"))
