"""What is left of a mesh finishes the work, on real processes; each story is a script and is judged by the disks."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

from mesh_core.api.client import ControlClient
from mesh_core.api.schema import Event
from tests.e2e.command_line import Mesh
from tests.e2e.scripts import Scripts

READY = """
[[step]]
wait = [{ path = "nodes.agreed", eq = NODES }, { path = "node.operator.state", eq = "alive" }]

[[step]]
do = "submit"
args = { query = "how is a neural network trained?" }
save = { q = "query.last" }

[[step]]
wait = { path = "query.${q}.running", eq = NODES }
"""

SETTLED_ONCE = """
[[step]]
wait = [{ path = "query.${q}.state", eq = "answered" }, { path = "ledger.converged", eq = true }]
within = "60s"

[[step]]
expect = [
  { path = "query.${q}.settled", eq = "NODES/NODES" },
  { path = "audit.jobs_settled_twice", eq = 0 },
  { path = "audit.jobs_lost", eq = 0 },
  { path = "audit.jobs_open", eq = 0 },
  { path = "audit.balance_micro", eq = 0 },
  { path = "audit.roots", eq = 1 },
]
"""


def story(name: str, steps: str, *, nodes: int = 6, delay: str = "1500ms") -> str:
    """A script in which `steps` happen while a question's jobs run."""
    head = (
        f'name = "{name}"\nmesh = {{ nodes = {nodes}, fast = true, exec_delay = "{delay}", model = false }}\n'
    )
    return head + (READY + steps + SETTLED_ONCE).replace("NODES", str(nodes))


def test_without_a_quorum_work_stalls_and_goes_on_when_one_returns(scripts: Scripts) -> None:
    steps = """
[[step]]
do = "kill"
args = { nodes = ["node1", "node2", "node3", "node4"] }

[[step]]
wait = [{ path = "nodes.dead", eq = 4 }, { path = "jobs.stalled", eq = NODES }]

[[step]]
about = "nothing can be decided: three of seven votes are left, four are needed"
expect = [{ path = "audit.jobs_settled", eq = 0 }, { path = "audit.jobs_lost", eq = 0 }]

[[step]]
do = "revive"
args = { nodes = ["node2"] }
"""
    code, report, progress = scripts.run(story("stalled", steps))
    assert code == 0, progress
    assert report["counters"]["jobs_settled"] == 7


def test_providers_finish_what_a_dead_operator_asked_and_it_finds_its_answers_on_return(
    scripts: Scripts,
) -> None:
    steps = """
[[step]]
do = "kill"
args = { nodes = ["operator", "node6"] }

[[step]]
about = "the others settle every shard's answer"
wait = [{ path = "node.operator.state", eq = "dead" }, { path = "jobs.open", eq = 0 }]

[[step]]
expect = { path = "audit.jobs_settled", eq = NODES }

[[step]]
do = "revive"
args = { nodes = ["operator"] }
"""
    code, report, progress = scripts.run(story("orphans", steps))
    assert code == 0, progress
    assert report["counters"]["jobs_settled"] == 7
    assert report["answers"], "opened by the operator, which was away when they were settled"


def test_a_node_of_which_half_is_dead_or_that_only_stands_still_is_rescued_from(scripts: Scripts) -> None:
    steps = """
[[step]]
do = "kill"
args = { nodes = ["node1"], only = "provider" }

[[step]]
do = "kill"
args = { nodes = ["node2"], only = "axl" }

[[step]]
do = "pause"
args = { nodes = ["node3"] }

[[step]]
wait = { path = "query.${q}.settled", eq = "6/6" }

[[step]]
about = "all of them come back, the paused one in the middle of what was taken from it"
do = "revive"
args = { nodes = ["node1", "node2", "node3"] }

[[step]]
wait = [{ path = "nodes.agreed", eq = NODES }, { path = "nodes.up", eq = NODES }]
"""
    code, report, progress = scripts.run(story("halves", steps))
    assert code == 0, progress
    assert report["counters"]["rescued"] >= 3
    assert [incident["action"] for incident in report["incidents"]] == ["kill", "kill", "pause"]


def test_a_provider_that_joins_late_learns_everything_and_takes_part(scripts: Scripts) -> None:
    steps = """
[[step]]
wait = { path = "query.${q}.state", eq = "answered" }

[[step]]
do = "add"

[[step]]
wait = [{ path = "nodes.agreed", eq = 4 }, { path = "ledger.converged", eq = true }]

[[step]]
expect = [{ path = "audit.node4.settled", eq = 4 }, { path = "audit.roots", eq = 1 }]
"""
    code, _, progress = scripts.run(story("late", steps, nodes=3, delay="1s"))
    assert code == 0, progress


def test_a_cancelled_job_ends_as_cancelled_and_costs_nothing_else(scripts: Scripts) -> None:
    text = story("cancelled", "", nodes=3, delay="3s").partition(
        '[[step]]\nwait = [{ path = "query.${q}.state"'
    )[0]
    text += """
[[step]]
do = "cancel"
args = { job = "${q}.2" }

[[step]]
wait = [{ path = "job.${q}.2.state", eq = "cancelled" }, { path = "query.${q}.state", eq = "answered" }]

[[step]]
expect = [
  { path = "query.${q}.settled", eq = "2/3" },
  { path = "audit.jobs_settled", eq = 3 },
  { path = "audit.jobs_lost", eq = 0 },
  { path = "audit.jobs_open", eq = 0 },
]
"""
    code, _, progress = scripts.run(text)
    assert code == 0, progress


async def operators_query(mesh: Mesh, wanted: str) -> Event:
    """The operator's view of its newest question as soon as its state or its number of running jobs is as wanted."""
    token = (mesh.folder / "token").read_text().strip()
    control = ControlClient(f"http://127.0.0.1:{mesh.nodes()['operator']['control_port']}", token)
    async with asyncio.timeout(60), aclosing(control.events()) as events:
        async for event in events:
            if event.kind == "query" and wanted in (event.data["state"], f"{event.data['running']} running"):
                return event
    raise AssertionError("the operator ended")


def test_a_mesh_that_is_taken_down_and_brought_up_again_finishes_what_was_open(tmp_path: Path) -> None:
    mesh = Mesh(tmp_path / "run")
    try:
        up = mesh.up("--count", "4", "--exec-delay", "4")
        assert up.returncode == 0, up.stderr
        asked = mesh.json("submit", "how is a neural network trained?", "--detach")
        asyncio.run(operators_query(mesh, "4 running"))
        assert mesh.whisper("down").returncode == 0
        again = mesh.whisper("up", "--detach")
        assert again.returncode == 0, again.stderr
        answered = asyncio.run(operators_query(mesh, "answered"))
        assert answered.data["label"] == asked["label"]
        assert answered.data["settled"] == 4
        assert answered.data["answer"]["passages"]
    finally:
        mesh.whisper("down")
