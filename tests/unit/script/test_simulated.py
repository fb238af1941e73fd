"""Scripts on a simulated mesh: they wait for no real time, are the same each time, and never pass for live ones."""

import json
from pathlib import Path
from typing import Any

from whisper_tui.script import report
from whisper_tui.script.play import Play
from whisper_tui.script.progress import Progress
from whisper_tui.script.reading import parse
from whisper_tui.script.screen import Filming
from whisper_tui.script.simulated import SimulatedGround

RESCUE = """
name = "x"
source = "simulation"
mesh = { nodes = 6, fast = true, exec_delay = "2s" }
[[step]]
wait = { path = "nodes.agreed", eq = 6 }
[[step]]
do = "submit"
args = { query = "why?" }
save = { q = "query.last" }
[[step]]
wait = { path = "query.${q}.running", ge = 3 }
[[step]]
do = "kill"
args = { nodes = ["holder:${q}.1"] }
[[step]]
wait = { path = "query.${q}.state", eq = "answered" }
within = "1m"
[[step]]
expect = [{ path = "incident.last.reclaimed_ms", lt = 3000 }, { path = "jobs.settled_twice", eq = 0 }]
"""

FILMED = """
[[step]]
press = ["3"]
[[step]]
capture = "end.txt"
"""


async def run(text: str, filming: Filming, seed: str = "7") -> tuple[int, dict[str, Any]]:
    script = parse(text, "x.toml", {})
    playing = Play(script, SimulatedGround(script.mesh, seed), seed, Progress(), filming)
    code = await playing.play()
    return code, json.loads(report.encoded(playing.report()))


async def test_a_rescue_passes_and_says_whose_times_these_are() -> None:
    code, found = await run(RESCUE, Filming())
    assert found["failure"] is None
    assert code == 0
    assert (found["source"], found["clock"]) == ("simulation", "virtual")
    assert found["counters"] is None, "nobody has read a disk"
    assert found["took_ms"] >= 2_000, "the virtual delay of an execution has passed"
    assert len(found["incidents"]) == 1


async def test_the_same_seed_is_the_same_run_also_with_a_console(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    found = []
    for folder in (first, second):
        folder.mkdir()
        filming = Filming(cast=folder / "x.cast", captures=folder)
        code, one = await run(RESCUE + FILMED, filming)
        assert one["failure"] is None
        assert code == 0
        found.append(one)
    assert found[0] == found[1]
    assert (first / "end.txt").read_text(encoding="utf-8") == (second / "end.txt").read_text(encoding="utf-8")


async def test_what_does_not_come_within_its_virtual_time_ends_the_run_with_four() -> None:
    text = 'name = "x"\nsource = "simulation"\n[[step]]\nwait = { path = "nodes.dead", eq = 1 }\nwithin = "20s"\n'
    code, found = await run(text, Filming())
    assert code == 4
    assert 20_000 <= found["steps"][0]["took_ms"] < 20_200
    assert "not within 20 s: nodes.dead = 1, but it is 0" in found["failure"]["message"]


async def test_lingering_lets_exactly_so_much_time_pass() -> None:
    text = 'name = "x"\nsource = "simulation"\n[[step]]\ndo = "linger"\nargs = { lasting = "1500ms" }\n'
    _, found = await run(text, Filming())
    assert found["steps"][0]["took_ms"] == 1_500


async def test_keys_are_obeyed_by_a_simulated_mesh() -> None:
    text = (
        RESCUE.partition("[[step]]\ndo")[0]
        + """
[[step]]
press = ["X", "k", "y"]
[[step]]
wait = { path = "nodes.dead", eq = 1 }
[[step]]
expect = { path = "screen", contains = "confirmed dead" }
"""
    )
    code, found = await run(text, Filming())
    assert found["failure"] is None
    assert code == 0
    assert found["incidents"][0]["action"] == "kill"


async def test_a_storm_breaks_and_mends_in_virtual_time() -> None:
    text = """
name = "x"
source = "simulation"
timeout = "5m"
mesh = { nodes = 6, fast = true, exec_delay = "300ms" }
[[step]]
do = "storm"
args = { lasting = "15s", query = "why?", every = "1500ms", away = "4s" }
within = "1m"
[[step]]
wait = [{ path = "nodes.agreed", eq = 6 }, { path = "run.questions_open", eq = 0 }, { path = "jobs.open", eq = 0 }]
within = "90s"
[[step]]
expect = [{ path = "jobs.settled_twice", eq = 0 }, { path = "jobs.lost", eq = 0 }]
"""
    code, found = await run(text, Filming(), seed="3")
    assert found["failure"] is None
    assert code == 0
    assert found["incidents"]
    assert found["load"]["answered"] == found["load"]["questions"] > 3
