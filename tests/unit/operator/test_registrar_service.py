"""What a registrar is started with, what is kept of what it tells, and who gets the secrets of a chain."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from mesh_core.chain.ens.schema import ChainView, NameView
from mesh_core.chain.ens.settings import load
from whisper_tui.errors import BadInput
from whisper_tui.supervisor.child import child_environment
from whisper_tui.supervisor.plan import Plan
from whisper_tui.supervisor.prepare import Wishes, make_plan, prepare
from whisper_tui.supervisor.registrar_service import (
    NAMES_MAX,
    SECRETS,
    Names,
    check_environment,
    without_secrets,
    write_settings,
)
from whisper_tui.supervisor.rundir import RunDir


def plan_of(tmp_path: Path, **wishes: object) -> tuple[RunDir, Plan]:
    run = RunDir(tmp_path / "run")
    run.make()
    return run, prepare(run, make_plan(None, Wishes(count=2, auto_ports=True, light=True, **wishes)))  # type: ignore[arg-type]


def test_providers_claim_names_below_the_parent_and_the_registrar_looks_after_them(tmp_path: Path) -> None:
    run, plan = plan_of(tmp_path, ens_parent="mesh.eth")
    write_settings(run, plan, {})
    settings = load(run.registrar)
    assert [(own.participant, own.name) for own in settings.own] == [
        ("node1", "node1.mesh.eth"),
        ("node2", "node2.mesh.eth"),
    ]
    assert (settings.chain_id, settings.parent, settings.payer_key) == (31_337, "mesh.eth", "chain/root.key")
    assert 'ens_name = "node1.mesh.eth"' in run.participant("node1").settings.read_text()
    assert 'ens_name = ""' in run.participant("operator").settings.read_text()


def test_without_a_chain_nobody_claims_a_name(tmp_path: Path) -> None:
    run, _ = plan_of(tmp_path, chain="off")
    assert 'ens_name = ""' in run.participant("node1").settings.read_text()


def test_a_chain_elsewhere_is_sepolia_unless_it_is_said_to_be_another(tmp_path: Path) -> None:
    run, plan = plan_of(tmp_path, chain="https://node.example/")
    write_settings(run, plan, {})
    assert load(run.registrar).chain_id == 11_155_111 and not load(run.registrar).payer_key
    write_settings(run, plan, {"WHISPER_CHAIN_ID": "17000"})
    assert load(run.registrar).chain_id == 17_000
    for text in ("x", "-1", "0", "1" * 30, "٣"):
        with pytest.raises(BadInput, match=r"WHISPER_CHAIN_ID=.*: expected the number of a chain"):
            check_environment({"WHISPER_CHAIN_ID": text}, plan.chain)


def test_a_network_without_a_node_is_refused_and_its_url_is_not_written_down(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="WHISPER_RPC_URL names no node"):
        check_environment({}, "sepolia")
    environment = {"WHISPER_RPC_URL": "https://node.example/v3/verysecret"}
    check_environment(environment, "sepolia")
    run, plan = plan_of(tmp_path, chain="sepolia")
    write_settings(run, plan, environment)
    assert b"verysecret" not in run.registrar.read_bytes() + run.plan.read_bytes()


def test_secrets_of_a_chain_reach_the_supervisor_and_nobody_else_of_its_children() -> None:
    environment = {**dict.fromkeys(SECRETS, "secret"), "PATH": "/bin", "WHISPER_OPENAI_KEY": "other"}
    kept = child_environment(environment, "", *SECRETS)
    assert kept == {**dict.fromkeys(SECRETS, "secret"), "PATH": "/bin"}
    assert without_secrets(kept) == {"PATH": "/bin"}


def line(kind: str, view: msgspec.Struct) -> bytes:
    return msgspec.json.encode({"kind": kind, "view": view}) + b"\n"


def named(name: str, state: str = "foreign") -> NameView:
    return NameView(name, "ab" * 32, state, False, "why", "local")  # type: ignore[arg-type]


def test_who_comes_later_hears_the_newest_view_of_each_name() -> None:
    told: list[str] = []
    names = Names(lambda kind, _: told.append(kind))
    names.hear(line("chain", ChainView("local")))
    names.hear(line("ens", named("a.eth")))
    names.hear(line("ens", named("b.eth")))
    names.hear(line("ens", named("a.eth", "withdrawn")))
    assert told == ["chain", "ens", "ens", "ens"]
    assert [kind for kind, _ in names.views()] == ["chain", "ens"]
    assert [view.name for view in names.names] == ["b.eth"]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"nonsense\n",
        b"[]",
        b'{"kind":"x","view":{}}',
        b'{"kind":"ens","view":{}}',
        b"\xff",
        b"[" * 50_000,
    ],
)
def test_what_is_no_view_is_passed_over(said: bytes) -> None:
    told: list[str] = []
    names = Names(lambda kind, _: told.append(kind))
    names.hear(said)
    assert told == [] and names.views() == []


def test_names_are_bounded() -> None:
    names = Names(lambda _kind, _view: None)
    for number in range(NAMES_MAX + 3):
        names.hear(line("ens", named(f"a{number}.eth")))
    assert len(names.names) == NAMES_MAX and names.names[0].name == "a3.eth"
