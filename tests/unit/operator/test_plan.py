"""What a mesh consists of: ports, files, keys, and what may change from one `up` to the next."""

from __future__ import annotations

import json
import socket
import stat
import tomllib
from pathlib import Path

import msgspec
import pytest

from axl import config as axl_config
from axl import keys
from mesh_core.io import settings as provider_settings
from tests.unit.operator.conftest import Running
from whisper_tui.errors import BadInput
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor import ports
from whisper_tui.supervisor.plan import Plan, ports_of
from whisper_tui.supervisor.prepare import (
    SUBMITTERS,
    Wishes,
    differences,
    kept_from_before,
    make_plan,
    new_provider,
    prepare,
    read_credit,
    read_place,
)
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.settings_files import toml


def seats(*names: str, port: int = 1) -> bytes:
    """run.json with participants of these names."""
    fixed = {"role": "provider", "peer": "", "axl_port": 1, "listen_port": 1, "control_port": port}
    return json.dumps({"participants": [{"name": name, **fixed} for name in names]}).encode()


def test_default_ports_are_those_people_know() -> None:
    assert ports_of(9001, 1, 6) == (9002, 9001, 8888)
    assert ports_of(9001, 6, 6) == (9007, 9107, 8893)
    assert ports_of(9001, 0, 6) == (9008, 9101, 8887)


def test_no_two_participants_share_a_port() -> None:
    used = [port for index in range(65) for port in ports_of(9001, index, 64)]
    assert len(set(used)) == len(used)


def test_a_port_in_use_is_named_with_whoever_wanted_it(plan: Plan) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = msgspec.structs.replace(plan.seat("node2"), control_port=other.getsockname()[1])
        with pytest.raises(BadInput, match=r"control API of node2") as caught:
            ports.check(list(ports.wanted_by(taken))[-1:])
    assert "--port-base auto" in caught.value.hint


async def test_a_port_of_the_mesh_that_runs_here_is_said_to_be_its(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await running.ready()
    monkeypatch.setattr(ports, "find", lambda _: running.run)
    seat = plans.load(running.run.plan).participants[0]
    with pytest.raises(BadInput, match=rf"is in use by the mesh in {running.run.root}") as caught:
        ports.check([(seat.control_port, "control API of node1")])
    assert "--port-base auto" in caught.value.hint


def test_single_ports_are_not_those_that_outgoing_connections_take() -> None:
    """Such a port may be gone when its participant comes back after a kill."""
    chosen = ports.free_ports(50)
    assert len(set(chosen)) == 50
    assert all(ports.AUTO_RANGE[0] <= port <= ports.AUTO_RANGE[1] for port in chosen)


def test_chosen_ports_move_on_when_somebody_took_one_meanwhile(plan: Plan) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", plan.seat("node1").axl_port))
        other.listen()
        again = make_plan(plan, Wishes())
    assert again.port_base != plan.port_base


@pytest.mark.parametrize("base", [0, 80, 65535])
def test_an_impossible_port_base_is_refused(base: int) -> None:
    with pytest.raises(BadInput, match=f"--port-base {base}"):
        make_plan(None, Wishes(port_base=base))


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes(count=0),
        Wishes(count=65),
        Wishes(exec_delay=-1.0),
        Wishes(corpus="/nowhere/at/all"),
        Wishes(axl_node="/nowhere/axl"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_in_one_line(wishes: Wishes) -> None:
    with pytest.raises(BadInput) as caught:
        make_plan(None, wishes)
    assert "\n" not in caught.value.message


def test_a_stopped_mesh_comes_back_as_it_was(run: RunDir, plan: Plan) -> None:
    again = prepare(run, make_plan(plans.load(run.plan), Wishes()))
    assert again.participants == plan.participants
    assert again.auto_ports


def test_a_stopped_mesh_may_come_back_otherwise_with_the_same_keys(run: RunDir, plan: Plan) -> None:
    again = prepare(run, make_plan(plans.load(run.plan), Wishes(count=3, fast=True)))
    assert again.fast
    assert [seat.name for seat in again.participants] == ["node1", "node2", "node3", "operator"]
    assert again.seat("node2").peer == plan.seat("node2").peer
    assert again.operator.peer == plan.operator.peer


def test_only_what_was_asked_for_can_differ(plan: Plan) -> None:
    assert differences(plan, Wishes()) == []
    assert differences(plan, Wishes(count=2, auto_ports=True, fast=False)) == []
    assert differences(plan, Wishes(count=6, fast=True)) == ["count 2", "fast off"]
    assert differences(plan, Wishes(corpus="/else")) == []  # said in a sentence of its own
    assert differences(plan, Wishes(axl_node="/else")) == ["axl-node built in"]


def test_what_was_kept_without_being_asked_for_is_told_in_one_line() -> None:
    before = Plan(count=4, fast=True, exec_delay=15.0, light=True)
    assert kept_from_before(before, Wishes()) == (
        "kept from before: answers held 15 s, FAST timers, 4 providers, light; "
        "change with --exec-delay 0 --no-fast --count 6 --no-light"
    )
    asked = Wishes(count=4, fast=True, exec_delay=15.0)
    assert kept_from_before(before, asked) == "kept from before: light; change with --no-light"
    assert kept_from_before(Plan(), Wishes()) == ""
    elsewhere = Plan(corpus="/notes", axl_node="/bin/go-axl")
    assert kept_from_before(elsewhere, Wishes()) == (
        "kept from before: corpus /notes, AXL node /bin/go-axl; change with --corpus builtin --axl-node builtin"
    )
    assert kept_from_before(elsewhere, Wishes(corpus="/notes", axl_node="/bin/go-axl")) == ""


def test_a_place_is_a_path_or_what_is_built_in_and_never_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_place(None, "--corpus") is None
    assert read_place("builtin", "--corpus") == ""
    assert read_place("./builtin", "--corpus") == str(tmp_path / "builtin")
    with pytest.raises(BadInput, match="--corpus: is empty") as caught:
        read_place("", "--corpus")
    assert "builtin" in caught.value.hint


def test_what_was_named_before_and_is_gone_is_told_with_the_way_back(tmp_path: Path) -> None:
    for field in ("corpus", "axl_node"):
        before = msgspec.structs.replace(Plan(auto_ports=True), **{field: str(tmp_path / "gone")})
        with pytest.raises(BadInput, match="gone: no such") as caught:
            make_plan(before, Wishes())
        assert "builtin" in caught.value.hint
        assert getattr(make_plan(before, Wishes(**{field: ""})), field) == ""


def test_keys_are_private_and_named_by_the_plan(run: RunDir, plan: Plan) -> None:
    for seat in plan.participants:
        key = run.participant(seat.name).key
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert keys.load(key).peer.hex() == seat.peer


def test_a_damaged_key_is_named_and_not_replaced(run: RunDir, plan: Plan) -> None:
    key = run.participant("node1").key
    key.write_text("not a key")
    with pytest.raises(BadInput, match=str(key)):
        prepare(run, plan)
    assert key.read_text() == "not a key"


@pytest.mark.parametrize("copy", ["operator/key.pem", "submitters/submitter2/key.pem"])
def test_a_copied_key_is_named_before_anything_starts(run: RunDir, plan: Plan, copy: str) -> None:
    key = run.participant("node1").key
    (run.root / copy).write_bytes(key.read_bytes())
    with pytest.raises(BadInput) as caught:
        prepare(run, plan)
    assert caught.value.message == (
        f"node1 and {Path(copy).parent.name} have the same key: {key} and {run.root / copy}"
    )
    with pytest.raises(BadInput, match="have the same key"):
        new_provider(run, plan)


def test_a_provider_can_read_its_settings(run: RunDir, plan: Plan) -> None:
    settings = provider_settings.load(run.participant("node2").settings)
    assert (settings.name, settings.role, settings.executes) == ("node2", "provider", True)
    assert settings.shards == [1]
    assert settings.shards_total == 2
    assert provider_settings.read_token(settings) == run.token()
    assert keys.load(settings.path(settings.key)).peer.hex() == plan.seat("node2").peer


def test_operator_and_submitters_have_credit(run: RunDir, plan: Plan) -> None:
    settings = provider_settings.load(run.participant("node1").settings)
    submitters = {keys.load(run.submitter(name).key).peer.hex() for name in SUBMITTERS}
    assert set(settings.credit) == submitters | {plan.operator.peer}


def test_an_axl_node_can_read_its_config_and_finds_all_others(run: RunDir, plan: Plan) -> None:
    config = axl_config.load(run.participant("node1").node_config)
    others = {seat.listen_port for seat in plan.participants if seat.name != "node1"}
    assert {peer.port for peer in config.peers} == others
    assert config.api_port == plan.seat("node1").axl_port


def test_a_new_provider_gets_ports_of_its_own(run: RunDir, plan: Plan) -> None:
    grown, seat = new_provider(run, plan)
    assert seat.name == "node3"
    assert plans.load(run.plan) == grown
    taken = {port for port, _ in ports.wanted(plan)}
    assert not taken & {seat.axl_port, seat.listen_port, seat.control_port}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"count": "six"}', b"\xff\x00"])
def test_a_damaged_run_file_is_one_line(run: RunDir, content: bytes) -> None:
    run.plan.write_bytes(content)
    with pytest.raises(BadInput, match=r"run\.json cannot be used") as caught:
        plans.load(run.plan)
    assert "\n" not in caught.value.message


def test_what_is_written_as_toml_is_read_as_it_was() -> None:
    table = {
        "text": 'a "quote", a \\, a\nline, a\ttab, a\x7f, é',
        "yes": True,
        "count": 3,
        "share": 0.5,
        "list": [1, 2],
        "empty": [],
        "table": {"weird.key": 1, "other": ""},
    }
    assert tomllib.loads(toml(table)) == table


def test_a_path_that_is_not_text_is_refused(run: RunDir) -> None:
    with pytest.raises(BadInput, match="is not text"):
        toml({"path": str(Path("/tmp/\udcff"))})


def test_credit_of_guests_is_kept_added_to_and_given_to_every_provider(run: RunDir) -> None:
    ann, bob = "a" * 64, "b" * 64
    granted = make_plan(
        None, Wishes(count=2, auto_ports=True, credit=read_credit([f"{ann}=10", f"{bob}=0.5"]))
    )
    assert granted.credit == {ann: 10_000_000, bob: 500_000}
    raised = make_plan(granted, Wishes(credit={bob: 2_000_000}))
    assert raised.credit == {ann: 10_000_000, bob: 2_000_000}
    assert differences(granted, Wishes(credit={bob: 500_000})) == []
    assert differences(granted, Wishes(credit={bob: 2_000_000})) == ["credit bbbbbbbbbbbb=0.5"]
    prepare(run, raised)
    settings = tomllib.loads(run.participant("node2").settings.read_text())
    assert settings["credit"][ann] == 10_000_000


@pytest.mark.parametrize("word", ["", "10", "ann=10", f"{'a' * 64}", f"{'a' * 64}=-1", f"{'a' * 64}=1e3"])
def test_credit_that_is_none_is_refused_in_one_line(word: str) -> None:
    with pytest.raises(BadInput, match="expected a peer id of 64 hex digits"):
        read_credit([word])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a":' * 3_000, "recursion"),
        (b'{"network":"\xff"}', "codec"),
        (b"{}", "the operator is missing"),
        (seats("operator", "node1", "node1"), "is no name, or there twice"),
        (seats("operator", "../elsewhere"), "is no name, or there twice"),
        (seats("operator", "node1", port=65536), "control_port"),
    ],
)
def test_a_plan_that_cannot_be_one_is_refused_in_one_line(run: RunDir, content: bytes, said: str) -> None:
    run.plan.write_bytes(content)
    with pytest.raises(BadInput, match=said) as caught:
        plans.load(run.plan)
    assert str(run.plan) in caught.value.message
    assert "\n" not in caught.value.message
