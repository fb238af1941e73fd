"""Scripts on real meshes: the built-in ones pass, bad ones and failing ones say why, and nothing outlives a run."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.scripts import Scripts
from whisper_tui.backends import has_local_model
from whisper_tui.terminal.picture import Picture

ENDLESS = """
name = "endless"
mesh = { nodes = 2, fast = true, model = false }
[[step]]
wait = { path = "nodes.up", eq = 2 }
[[step]]
wait = { path = "nodes.dead", eq = 2 }
within = "5m"
"""


def until(process: subprocess.Popen[str], text: str) -> str:
    """Read standard error until it says `text`, and nothing ahead of what is there: a buffer would wake nobody."""
    assert process.stderr is not None
    seen = b""
    deadline = time.monotonic() + 60
    while text.encode() not in seen:
        ready, _, _ = select.select([process.stderr], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, seen
        piece = os.read(process.stderr.fileno(), 65_536)
        assert piece, seen
        seen += piece
    return seen.decode()


def wait_until_released(run: Path) -> None:
    """Return once the supervisor of `run` has ended: its lock goes with it."""
    with contextlib.suppress(FileNotFoundError), (run / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


# --------------------------------------------------------------------------------------------- built in


def test_judge_three_of_six_die_and_every_job_is_settled_once(scripts: Scripts) -> None:
    """With the local model where it is installed; CI has to have it."""
    in_ci = os.environ.get("CI") == "true"
    with_model = in_ci or has_local_model()
    light = [] if with_model else ["--light"]
    code, report, progress = scripts.run(
        "judge", *light, "--var", "query=gradient descent", "--var", "delay=1s", ci=in_ci
    )
    assert code == 0, progress
    assert (report["passed"], report["source"], report["clock"]) == (True, "live", "real")
    assert report["counters"] == {
        "jobs_submitted": 7,
        "jobs_settled": 7,
        "jobs_settled_twice": 0,
        "jobs_lost": 0,
        "executions": report["counters"]["executions"],
        "rescued": report["counters"]["rescued"],
    }
    assert report["counters"]["rescued"] >= 1
    assert report["counters"]["executions"] >= 8
    [incident] = report["incidents"]
    assert incident["action"] == "kill"
    assert len(incident["killed"]) == 3
    assert 0 < incident["suspected_ms"] <= incident["confirmed_ms"]
    assert incident["reclaimed_ms"] > 0
    assert incident["converged_ms"] > 0
    assert (report["backend"] != "search") == with_model
    answer = report["answers"][0]
    assert answer["query"] == "gradient descent"
    assert (answer["backend"] != "search") == with_model
    assert answer["passages"]
    assert set(report["versions"]) == {"whisper", "python", "system"}
    assert scripts.leftovers() == []
    assert scripts.directories() == []


def test_verify_the_mesh_does_what_a_mesh_has_to(scripts: Scripts) -> None:
    code, report, progress = scripts.run("verify", "--light", "--var", "delay=1s")
    assert code == 0, progress
    assert report["counters"]["jobs_settled"] == 14
    assert scripts.leftovers() == []


def test_partition_only_the_side_with_a_quorum_acts(scripts: Scripts) -> None:
    code, report, progress = scripts.run("partition", "--var", "delay=1s")
    assert code == 0, progress
    partition, heal = report["incidents"]
    assert (partition["action"], heal["action"]) == ("partition", "heal")
    assert partition["killed"] == []
    assert heal["converged_ms"] <= 3000
    assert heal["suspected_ms"] is None


def test_chaos_loses_nothing(scripts: Scripts) -> None:
    code, report, progress = scripts.run("chaos", "--var", "minutes=0.15", "--var", "seed=1")
    assert code == 0, progress
    assert report["seed"] == "1"
    assert report["counters"]["jobs_settled"] == report["counters"]["jobs_submitted"] > 7
    assert len(report["incidents"]) >= 3
    assert scripts.leftovers() == []


# --------------------------------------------------------------------------------- ends other than well


def test_load_answers_every_question_and_says_how_long_people_waited(scripts: Scripts) -> None:
    code, report, progress = scripts.run("load", "--var", "questions=20")
    assert code == 0, progress
    load = report["load"]
    assert (load["questions"], load["answered"], load["jobs"]) == (20, 20, 140)
    assert 0 < load["p50_ms"] <= load["p99_ms"] <= load["longest_ms"] <= load["took_ms"]
    assert report["counters"]["jobs_settled"] == 140


def test_rescue_is_done_by_the_consoles_own_keys_and_can_be_watched_later(
    scripts: Scripts, tmp_path: Path
) -> None:
    cast = tmp_path / "rescue.cast"
    quick = ["--var", "delay=5s", "--var", "pace=0s", "--var", "look=10ms"]
    code, report, progress = scripts.run("rescue", *quick, "--cast", str(cast))
    assert code == 0, progress
    assert [incident["action"] for incident in report["incidents"]] == ["kill"]
    assert report["counters"]["rescued"] == 1
    header, *pieces = map(json.loads, cast.read_text(encoding="utf-8").splitlines())
    assert header["version"] == 2
    screen = Picture(header["width"], header["height"])
    assert any("confirmed dead" in shown_after(screen, piece) for _, _, piece in pieces)


def shown_after(screen: Picture, piece: str) -> str:
    """What a terminal shows that has been sent all pieces up to this one."""
    screen.feed(piece)
    return "\n".join("".join(char for char, _ in row) for row in screen.cells())


def test_a_bad_script_is_one_line_with_its_place_and_starts_nothing(scripts: Scripts) -> None:
    code, report, errors = scripts.run('name = "x"\n\n[[step]]\ndo = "explode"\n')
    assert code == 2
    assert report == {}
    assert errors.splitlines()[0].startswith(f"whisper-tui: {scripts.folder}/script.toml:4: ")
    assert "Traceback" not in errors
    assert scripts.directories() == []


def test_a_failed_expectation_keeps_the_directory_and_tells_all(scripts: Scripts) -> None:
    text = """
name = "x"
mesh = { nodes = 2, model = false }
[[step]]
do = "pause"
args = { nodes = ["node2"] }
[[step]]
expect = { path = "nodes.dead", eq = 2 }
"""
    junit = scripts.folder / "junit.xml"
    code, report, errors = scripts.run(text, "--junit", str(junit))
    assert code == 1
    assert "expected nodes.dead = 2" in report["failure"]["message"]
    assert report["steps"][1]["checks"][0]["actual"] == 0
    assert any("node2 paused" in line for line in report["failure"]["events"])
    assert "node2 alive, process paused" in report["failure"]["mesh"]
    assert "<failure" in junit.read_text()
    [kept] = scripts.directories()
    assert (kept / "node1" / "provider.log").is_file()
    assert str(kept) in errors
    assert scripts.leftovers() == []


def test_what_does_not_come_in_time_is_four(scripts: Scripts) -> None:
    code, report, _ = scripts.run(ENDLESS.replace('"5m"', '"100ms"'))
    assert code == 4
    assert report["steps"][1]["outcome"] == "timed out"
    assert scripts.leftovers() == []


def test_a_mesh_that_cannot_start_is_three(scripts: Scripts) -> None:
    code, report, errors = scripts.run(ENDLESS, "--axl-node", "/bin/false")
    assert code == 3, errors
    assert "axl" in report["failure"]["message"]
    assert [step["outcome"] for step in report["steps"]] == ["not reached"] * 2
    assert scripts.leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_script_that_is_interrupted_ends_its_mesh(scripts: Scripts, number: signal.Signals) -> None:
    process = scripts.start(ENDLESS)
    until(process, "1/2")
    process.send_signal(number)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert json.loads(out)["failure"]["message"] == f"interrupted by {number.name}"
    assert scripts.leftovers() == []
    assert scripts.directories() == []


def test_a_script_that_is_killed_leaves_no_mesh_behind(scripts: Scripts) -> None:
    process = scripts.start(ENDLESS)
    until(process, "1/2")
    [run] = scripts.directories()
    process.kill()
    process.communicate(timeout=30)
    wait_until_released(run)
    deadline = time.monotonic() + 20
    while scripts.leftovers() or scripts.directories():
        assert time.monotonic() < deadline, scripts.leftovers()


def test_a_chosen_directory_is_kept_and_may_be_used_again(scripts: Scripts) -> None:
    text = 'name = "x"\nmesh = { nodes = 2, model = false }\n[[step]]\nwait = { path = "nodes.up", eq = 2 }\n'
    chosen = scripts.folder / "chosen"
    for _ in range(2):
        code, _, errors = scripts.run(text, "--run-dir", str(chosen))
        assert code == 0, errors
        assert (chosen / "node2" / "store.db").is_file()
    (chosen / "made-by-script").unlink()
    code, _, errors = scripts.run(text, "--run-dir", str(chosen))
    assert code == 2
    assert "neither empty nor of an earlier script" in errors
