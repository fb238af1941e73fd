"""Scripts on a recording: they wait in it, look at it, walk through it with the console's keys, and can do nothing to it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.recording.runs import Taped, story
from whisper_tui.errors import BadInput
from whisper_tui.script import report
from whisper_tui.script.play import Play
from whisper_tui.script.progress import Progress
from whisper_tui.script.reading import parse
from whisper_tui.script.recorded import RecordedGround
from whisper_tui.script.screen import Filming

HEAD = 'name = "x"\nsource = "replay"\nrecording = "a.rec"\n'


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    taped = Taped(tmp_path / "recordings")
    taped.play(story())
    return tmp_path


async def run(recording: Path, steps: str, filming: Filming = Filming()) -> tuple[int, dict[str, Any]]:  # noqa: B008
    script = parse(HEAD + steps, "x.toml", {})
    playing = Play(script, RecordedGround(recording), "7", Progress(), filming)
    code = await playing.play()
    return code, json.loads(report.encoded(playing.report()))


async def test_waiting_goes_on_in_the_recording_until_something_holds(recording: Path) -> None:
    steps = """
[[step]]
wait = { path = "nodes.dead", eq = 2 }
[[step]]
wait = [{ path = "nodes.dead", eq = 0 }, { path = "incident.count", eq = 2 }]
[[step]]
expect = { path = "incident.last.action", eq = "partition" }
"""
    code, found = await run(recording, steps)
    assert found["failure"] is None
    assert code == 0
    assert (found["source"], found["clock"]) == ("replay", "recorded")
    assert found["counters"] is None
    assert found["steps"][0]["took_ms"] > 500, "a death is confirmed so long after it, in recorded time"


async def test_a_recording_that_ends_first_ends_the_run_with_four(recording: Path) -> None:
    code, found = await run(recording, '[[step]]\nwait = { path = "nodes.dead", eq = 6 }\nwithin = "9m"\n')
    assert code == 4
    assert "the recording ends here" in found["failure"]["message"]
    assert found["failure"]["events"]


async def test_what_comes_later_than_it_may_is_not_waited_for(recording: Path) -> None:
    code, found = await run(recording, '[[step]]\nwait = { path = "nodes.dead", eq = 2 }\nwithin = "100ms"\n')
    assert code == 4
    assert "not within 0.1 s" in found["failure"]["message"]
    assert found["steps"][0]["took_ms"] == pytest.approx(100, abs=1)


async def test_the_console_shows_the_moment_that_the_script_has_come_to(
    recording: Path, tmp_path: Path
) -> None:
    steps = """
[[step]]
wait = { path = "nodes.dead", eq = 2 }
[[step]]
expect = [{ path = "screen", matches = "node1 +✖ dead" }, { path = "screen", contains = "REPLAY" }]
[[step]]
wait = { path = "nodes.dead", eq = 0 }
[[step]]
expect = { path = "screen", matches = "node1 +● alive" }
"""
    code, found = await run(recording, steps)
    assert found["failure"] is None
    assert code == 0


async def test_keys_lead_the_console_through_time(recording: Path) -> None:
    steps = """
[[step]]
wait = { path = "incident.count", eq = 2 }
[[step]]
expect = { path = "screen", contains = "Incident #2" }
[[step]]
press = ["{", "{"]
[[step]]
expect = [{ path = "screen", contains = "Incident #1" }, { path = "incident.count", eq = 2 }]
"""
    code, found = await run(recording, steps)
    assert found["failure"] is None, found["failure"]["screen"]
    assert code == 0


async def test_keys_that_would_act_are_refused(recording: Path) -> None:
    steps = '[[step]]\npress = "s"\n[[step]]\nexpect = { path = "screen", contains = "recording" }\n'
    code, found = await run(recording, steps)
    assert found["failure"] is None, found["failure"]["screen"]
    assert code == 0


def test_what_is_no_recording_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.rec").write_text("hello")
    with pytest.raises(BadInput, match=r"a\.rec is no recording"):
        RecordedGround(tmp_path / "a.rec")


async def test_lingering_goes_on_by_so_much(recording: Path) -> None:
    _, found = await run(recording, '[[step]]\ndo = "linger"\nargs = { lasting = "2s" }\n')
    assert found["steps"][0]["took_ms"] == pytest.approx(2_000, abs=1)
