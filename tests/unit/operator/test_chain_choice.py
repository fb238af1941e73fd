"""Which chain names are on: read from the command line, shown without secrets, looked at by doctor."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.ports import free_ports
from whisper_tui import doctor
from whisper_tui.doctor import Finding
from whisper_tui.errors import BadInput
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor.chain_choice import chain_shown, chain_url, read_chain
from whisper_tui.supervisor.plan import Plan
from whisper_tui.supervisor.ports import wanted
from whisper_tui.supervisor.prepare import Wishes, differences, kept_from_before
from whisper_tui.supervisor.rundir import RunDir

SECRET = "https://sepolia.example/v3/0123456789abcdef"


@pytest.mark.parametrize(
    "word", ["local", "anvil", "off", SECRET, "http://127.0.0.1:8545", "http://[::1]:1/"]
)
def test_a_chain_is_a_word_that_is_known_or_a_url(word: str) -> None:
    assert read_chain(word) == word


@pytest.mark.parametrize(
    "word", ["", "Local", "goerli", "ws://h:1", "http://", "http://h:0", "http://h:99999"]
)
def test_anything_else_is_refused_in_one_line(word: str) -> None:
    with pytest.raises(BadInput, match=r"expected local, anvil, .* or the http"):
        read_chain(word)


def test_the_key_in_a_url_is_shown_to_nobody() -> None:
    assert chain_shown(SECRET) == "at sepolia.example"
    plan = Plan(chain=SECRET)
    assert differences(plan, Wishes(chain="local")) == ["chain at sepolia.example"]
    told = kept_from_before(plan, Wishes())
    assert "chain at sepolia.example" in told and "--chain local" in told and "0123" not in told


def test_only_a_chain_that_is_started_here_has_a_port_of_the_mesh() -> None:
    plan = Plan(port_base=9001, light=True)
    assert chain_url("local", plan.chain_port) == "http://127.0.0.1:8885"
    assert list(wanted(plan)) == [(8885, "chain")]
    for elsewhere in ("off", SECRET):
        assert list(wanted(msgspec.structs.replace(plan, chain=elsewhere))) == []
    assert (chain_url("off", 1), chain_url(SECRET, 1)) == ("", SECRET)


def found(run: RunDir, plan: Plan, chain: str) -> Finding:
    plans.save(run.plan, msgspec.structs.replace(plan, chain=chain))
    return next(finding for finding in doctor.examine(run, run.root / "none") if finding.name == "chain")


def test_doctor_says_what_there_is_of_the_chain(
    run: RunDir, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (nobody,) = free_ports(1)
    assert found(run, plan, "local").text == "local: started with the mesh"
    assert found(run, plan, "off").text == "off: nobody has a name"
    assert found(run, plan, "anvil").verdict == "note"
    monkeypatch.delenv("WHISPER_RPC_URL", raising=False)
    assert found(run, plan, "sepolia").todo == "set WHISPER_RPC_URL to the URL of a node"
    lost = found(run, plan, f"http://127.0.0.1:{nobody}/secret")
    assert (lost.verdict, "secret" in lost.text) == ("note", False)
