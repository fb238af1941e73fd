"""Meshes elsewhere: reached by a control API and a token in a file, gone to by a key, left as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest

from mesh_core.api.hub import EventHub
from mesh_core.api.schema import Event
from mesh_core.api.server import ControlServer
from tests.unit.api.participants import PEER, FakeParticipant, Things
from tests.unit.console.feeder import Feeder, peer_of, rescue_story
from tests.unit.console.harness import Bench, Fed
from whisper_tui.actions.remote import RemoteActions
from whisper_tui.contexts import ControlEntrance, Mesh, open_to_others, read_token, with_here
from whisper_tui.errors import ActionError, BadInput, MeshUnreachable, UserError
from whisper_tui.model.state import SUPERVISOR
from whisper_tui.screens.contexts import Contexts, SwitchTo
from whisper_tui.screens.quit import ExitChoice

TOKEN = "f" * 64


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "lab.token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
async def served() -> AsyncIterator[tuple[str, FakeParticipant]]:
    participant = FakeParticipant()
    server = ControlServer(participant, EventHub(PEER, 3, Things(a=1), lambda: 5.0), TOKEN)
    await server.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.port}", participant
    await server.close()


async def test_a_mesh_elsewhere_is_seen_through_the_participant_that_serves_it(
    served: tuple[str, FakeParticipant], token_file: Path
) -> None:
    mesh = await ControlEntrance(served[0], token_file).mesh()
    assert (mesh.primary, mesh.run, mesh.warning) == (PEER.hex(), None, "")
    async with aclosing(mesh.source.events()) as events:
        heard: list[Event] = [await anext(events), await anext(events)]
    assert [event.kind for event in heard] == ["source", "thing"]
    assert heard[0].data["peer"] == PEER.hex()


async def test_a_wrong_token_and_a_silent_place_are_said_in_one_line_without_the_token(
    served: tuple[str, FakeParticipant], token_file: Path
) -> None:
    token_file.write_text("0" * 64)  # noqa: ASYNC240 (a few bytes)
    with pytest.raises(BadInput) as refused:
        await ControlEntrance(served[0], token_file).mesh()
    assert str(token_file) in refused.value.hint
    with pytest.raises(MeshUnreachable) as silent:
        await ControlEntrance("http://127.0.0.1:9", token_file).mesh()
    assert "ssh -L" in silent.value.hint
    for said in (refused.value, silent.value):
        assert "0" * 64 not in said.message + said.hint and "\n" not in said.message


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        (TOKEN, 0o644, "can be read by others"),
        ("two words", 0o600, "expected one word"),
        ("", 0o600, "expected one word"),
        ("\x1b[31m", 0o600, "expected one word"),
    ],
)
def test_a_token_is_taken_from_a_private_file_only(
    content: str, mode: int, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(BadInput, match=told):
        read_token(path)


@pytest.mark.parametrize("control", ["http://127.0.0.1:9105", "http://localhost:9105", "http://[::1]:9105"])
def test_a_way_that_does_not_leave_the_machine_needs_no_warning(control: str) -> None:
    assert open_to_others(control) == ""


@pytest.mark.parametrize("host", ["10.0.0.5", "lab.example", "[2001:db8::1]", "127.0.0.1.evil.example"])
def test_a_way_that_others_can_read_along_is_warned_of_with_a_tunnel_as_the_remedy(host: str) -> None:
    warning = open_to_others(f"http://{host}:9105")
    assert "not encrypted" in warning and "ssh -N -L 9105:127.0.0.1:9105" in warning


async def test_actions_elsewhere_are_asked_for_refused_and_written_down(
    served: tuple[str, FakeParticipant], token_file: Path, tmp_path: Path
) -> None:
    control, participant = served
    actions = (await ControlEntrance(control, token_file).mesh()).actions
    assert isinstance(actions, RemoteActions)
    with pytest.raises(UserError):
        await actions.submit("why?")
    with pytest.raises(UserError):
        await actions.cancel("q1.1")
    chaos = (
        actions.kill(["node1"]),
        actions.pause(["node1"]),
        actions.revive(["node1"]),
        actions.partition((), ["node1"]),
        actions.heal(),
        actions.add(),
    )
    for action in chaos:
        with pytest.raises(ActionError, match="has no supervisor behind it: nothing was done"):
            await action
    log = tmp_path / "state" / "whisper-attached" / "audit.jsonl"
    lines = [msgspec.json.decode(line) for line in log.read_bytes().splitlines()]
    assert [line["action"] for line in lines] == [
        "submit", "cancel", "kill", "pause", "revive", "partition", "heal", "add",
    ]  # fmt: skip
    assert lines[0]["command"].endswith(f"submit --control {control} --token-file {token_file} 'why?'")
    assert [name for name, _ in participant.commands] == ["submit", "cancel"]
    assert TOKEN not in log.read_text()
    assert log.parent.stat().st_mode & 0o077 == 0


class Known:
    """An entrance to a mesh of which only the name is known; `refusal` is why nobody is let in."""

    def __init__(self, name: str, where: str, refusal: str = "") -> None:
        self.name, self.where, self.refusal = name, where, refusal

    async def mesh(self) -> Mesh:
        if self.refusal:
            raise MeshUnreachable(self.refusal, "is it up?")
        return Mesh(self, Fed(Feeder()), None, None, "", 0.0, Path(), str)  # type: ignore[arg-type]


def test_the_open_mesh_is_offered_once() -> None:
    here, lab = Known("", "/run"), Known("lab", "http://lab:1")
    assert with_here([lab], here) == [here, lab]
    assert with_here([Known("run", "/run"), lab], here)[0].name == "run"


async def test_c_lists_the_contexts_and_enter_goes_to_one_that_answers() -> None:
    lab = Known("lab", "http://127.0.0.1:9105")
    contexts = Contexts(
        [Known("", "/run"), Known("gone", "http://127.0.0.1:9", "nobody answers there"), lab], "/run"
    )
    bench = Bench(rescue_story(), contexts=contexts, theme="ansi")
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "C")
        shown = bench.text()
        assert "› this mesh" in shown and "/run  here" in shown and "lab " in shown
        await bench.press(pilot, "enter")
        assert bench.console.return_value is None, "where one is already is no way to go"
        await bench.press(pilot, "C", "j", "enter")
        assert "nobody answers there; is it up?" in bench.text()
        await bench.press(pilot, "C", "j", "j", "enter")
    choice = bench.console.return_value
    assert isinstance(choice, SwitchTo)
    assert (choice.mesh.entrance, choice.theme) == (lab, "ansi")


def elsewhere(role: str) -> Feeder:
    """What one participant tells of a mesh: nobody else is heard, and no supervisor."""
    mesh = rescue_story(until="running")
    mesh.events = [event for event in mesh.events if event.node in (peer_of("operator"), SUPERVISOR)]
    mesh.events = [event for event in mesh.events if event.kind not in ("process", "action")]
    mesh.tell("operator", "node", {**msgspec.to_builtins(mesh._node("operator")), "role": role})
    return mesh


async def test_without_a_supervisor_chaos_is_refused_and_the_mesh_can_only_be_left() -> None:
    bench = Bench(elsewhere("operator"), supervised=False)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        assert "chaos" not in bench.lines()[-1] and "submit" in bench.lines()[-1]
        await bench.press(pilot, "X")
        assert "a control API has no supervisor behind it" in bench.text()
        await bench.press(pilot, "q")
        assert "stop the mesh" not in bench.text()
        await bench.press(pilot, "s", "l")
    assert bench.console.return_value is ExitChoice.LEAVE
    assert bench.deeds.done == []


async def test_a_provider_is_not_asked_to_ask() -> None:
    bench = Bench(elsewhere("provider"), supervised=False)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "s")
        assert "is a provider, it asks nothing" in bench.text() and "Ask the mesh" not in bench.text()
        assert "s submit" not in bench.lines()[-1]


async def test_a_console_that_was_opened_to_read_only_stays_so_whatever_is_pressed() -> None:
    bench = Bench(rescue_story(), only_reading=True)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "W")
        assert "to read only" in bench.text() and " RO" in bench.lines()[0]
        await bench.press(pilot, "X", "s")
        assert bench.deeds.done == [] and "read-only, opened so for good" in bench.text()
        assert "allow actions" not in bench.text()
