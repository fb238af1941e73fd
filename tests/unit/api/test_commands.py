"""Commands do what the table says, and refuse in one line what they cannot do."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from typing import Any

import pytest

from mesh_core.api import commands as module
from mesh_core.api.commands import Commands
from mesh_core.api.schema import COMMANDS
from mesh_core.api.server import CommandRefusedError
from mesh_core.effects import Input, JobOptions, SubmitQuery
from mesh_core.node import Node
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World


class Operator:
    """The operator of a simulated mesh whose jobs never end by themselves."""

    def __init__(self, seed: str) -> None:
        self.world = World(Setup(seed, providers=3, appetite=Appetite(3600.0, 3600.0)))
        self.world.start()
        self.world.run_for(2.0)
        self.stopped = False
        self.commands = Commands(self.node, self.step, self.submit, self.stop, "corpus", 3)

    @property
    def node(self) -> Node:
        node = self.world.hosts[OPERATOR].node
        assert node is not None
        return node

    def step(self, event: Input) -> None:
        self.world.step(OPERATOR, event)

    def submit(self, request: SubmitQuery) -> bytes:
        host = self.world.hosts[OPERATOR]
        query, effects = self.node.submit(host.clock.monotonic(self.world.now), request)
        host.act(effects)
        return query

    def stop(self) -> None:
        self.stopped = True

    async def run(self, name: str, **args: Any) -> dict[str, Any]:
        """Carry out a command while simulated time passes."""
        running = asyncio.ensure_future(self.commands.run(name, args))
        for _ in range(100):
            await asyncio.sleep(0)
            if running.done():
                break
            self.world.run_for(0.02)
            for job in list(self.node.auctioneer.auctions):
                self.commands.accepted(job)
        return await running


async def test_every_command_of_the_table_is_understood() -> None:
    operator = Operator("table")
    for spec in COMMANDS:
        with pytest.raises(CommandRefusedError) as caught:
            await operator.run(spec.name, nonsense=1)
        assert "no command" not in str(caught.value)
        assert "\n" not in str(caught.value)


async def test_a_submission_is_accepted_once_a_quorum_has_it_on_disk() -> None:
    operator = Operator("submit")
    answer = await operator.run("submit", text="why?", max_price_micro=20_000)
    assert answer["state"] == "accepted"
    assert answer["label"] == "q1"
    assert len(answer["jobs"]) == 3
    job = operator.node.ledger.jobs[bytes.fromhex(answer["jobs"][0])]
    assert job.job.max_price_micro == 20_000
    assert (await operator.run("submit", text="and?", label="mine"))["label"] == "mine"


async def test_every_term_of_a_submission_is_the_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACCEPTED_S", 0.01)
    operator = Operator("terms")
    terms = {
        "max_price_micro": 20_000,
        "fault_bound": 1,
        "submitter_weight": 2,
        "retries": 4,
        "auction_ms": 900,
        "execution_ms": 5_000,
        "total_ms": 60_000,
    }
    assert {*terms, "preferred"} == {field.name for field in fields(JobOptions)}
    job = operator.node.ledger.jobs[
        bytes.fromhex((await operator.run("submit", text="why?", **terms))["jobs"][0])
    ].job
    seats = {seat.peer: seat.weight for seat in job.committee}
    assert {
        **{name: getattr(job, name, None) for name in terms},
        "submitter_weight": seats[operator.node.peer],
    } == terms


async def test_a_submission_without_a_quorum_is_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACCEPTED_S", 0.01)
    operator = Operator("pending")
    operator.world.split([[OPERATOR], ["node1", "node2", "node3"]])
    assert (await operator.commands.run("submit", {"text": "why?"}))["state"] == "pending"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "^text: is missing$"),
        ({"text": 1}, "^text: expected str, got int$"),
        ({"text": "  "}, "the question is empty"),
        ({"text": "x", "max_price_micro": "free"}, "max_price_micro"),
        ({"text": "x", "max_price_micro": -1}, "max_price_micro"),
        ({"text": "x", "total_ms": 0}, "total_ms"),
        ({"text": "x", "label": "a\x1b[31m"}, "label"),
        ({"text": "x", "shards": [1]}, "^shards: is not an argument$"),
        ({"text": "x", "retries": 0}, "^retries: expected int >= 1$"),
        ({"text": "x", "retries": 6}, "^retries: expected int <= 5$"),
        ({"text": "x", "auction_ms": 60_001}, "^auction_ms: expected int <= 60000$"),
        ({"text": "x", "execution_ms": 10**30}, "^execution_ms: "),
        ({"text": "x", "submitter_weight": 17}, "^submitter_weight: expected int <= 16$"),
        ({"text": "x", "submitter_weight": 4}, "^a submitter weight of 4 would be a quorum by itself: "),
        ({"text": "x", "fault_bound": -1}, "^fault_bound: expected int >= 0$"),
        (
            {"text": "x", "fault_bound": 2},
            "^lies of weight 2 need votes of weight 7 in all, 3 providers and a submitter weight of 1 make 4: ",
        ),
    ],
)
async def test_a_submission_that_makes_no_sense_is_refused(args: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandRefusedError, match=said):
        await Operator("nonsense").run("submit", **args)


async def test_jobs_are_cancelled_by_id_by_label_and_by_query() -> None:
    operator = Operator("cancel")
    jobs = (await operator.run("submit", text="why?"))["jobs"]
    assert (await operator.run("cancel", job=jobs[0]))["jobs"] == [jobs[0]]
    assert (await operator.run("cancel", job="q1.2"))["jobs"] == [jobs[1]]
    operator.world.run_for(3.0)
    assert (await operator.run("cancel", job="q1"))["jobs"] == [jobs[2]]
    operator.world.run_for(3.0)
    assert {operator.node.ledger.jobs[bytes.fromhex(job)].state for job in jobs} == {"cancelled"}
    with pytest.raises(CommandRefusedError, match="decided already"):
        await operator.run("cancel", job="q1.1")
    for unknown in ("q9", "x" * 64, "0" * 64):
        with pytest.raises(CommandRefusedError, match="there is no job"):
            await operator.run("cancel", job=unknown)


async def test_somebody_elses_job_is_not_ours_to_cancel() -> None:
    operator = Operator("theirs")
    await operator.run("submit", text="why?")
    node = operator.world.hosts["node1"].node
    assert node is not None
    theirs = Commands(node, operator.step, operator.submit, operator.stop, "corpus", 3)
    with pytest.raises(CommandRefusedError, match="only its submitter can cancel it"):
        await theirs.run("cancel", {"job": "q1.1"})


@pytest.mark.parametrize(
    ("command", "args"), [("submit", {"text": "and?"}), ("cancel", {"job": "q1"})], ids=["submit", "cancel"]
)
async def test_a_node_that_may_not_sign_refuses_what_needs_a_signature(
    command: str, args: dict[str, str]
) -> None:
    operator = Operator("unable")
    await operator.run("submit", text="why?")
    operator.world.crash(OPERATOR)
    operator.world.start(OPERATOR)
    assert operator.world.run_while(lambda: operator.world.hosts[OPERATOR].node is None, 1.0, every_s=0.001)
    again = Commands(operator.node, operator.step, operator.submit, operator.stop, "corpus", 3)
    with pytest.raises(CommandRefusedError, match=r"^this node is still starting, try again in a second$"):
        await again.run(command, args)
    operator.world.run_for(2.0)
    operator.node.past.retire("peers know better")
    with pytest.raises(
        CommandRefusedError, match=r"^key retired: peers know better; put the newer store back"
    ):
        await again.run(command, args)


async def test_a_partition_is_put_up_and_taken_down() -> None:
    operator = Operator("partition")
    peer = operator.world.hosts["node1"].peer.hex()
    assert await operator.run("partition", hidden=[peer]) == {"hidden": [peer]}
    assert await operator.run("partition", hidden=[]) == {"hidden": []}
    for nonsense in (["zz"], ["ab"], "all"):
        with pytest.raises(CommandRefusedError):
            await operator.run("partition", hidden=nonsense)


async def test_leaving_says_goodbye_and_stops() -> None:
    operator = Operator("leave")
    assert await operator.run("leave") == {}
    assert operator.stopped
    operator.world.run_for(1.0)
    node = operator.world.hosts["node1"].node
    assert node is not None
    assert node.membership.members[operator.node.peer].state == "left"


async def test_a_submission_is_addressed_by_a_peer_id_and_by_nothing_else() -> None:
    operator = Operator("addressed")
    peer = next(
        peer
        for peer, member in operator.node.membership.members.items()
        if member.announcement.role == "provider"
    )
    answer = await operator.run("submit", text="why?", to=peer.hex())
    assert answer["state"] == "accepted"
    for to in ("node2", "AB" * 32, peer.hex() + "\n", "00" * 32):
        with pytest.raises(CommandRefusedError):
            await operator.run("submit", text="why?", to=to)
