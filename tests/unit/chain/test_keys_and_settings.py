"""Keys of accounts, and what the environment says of a chain: refused in one line that shows no secret."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_keys.datatypes import PrivateKey

from mesh_core.chain.ens.errors import Misconfigured
from mesh_core.chain.ens.evm_keys import account_key, key_from_environment
from mesh_core.chain.ens.link import Link
from mesh_core.chain.ens.names import read_name
from mesh_core.chain.ens.networks import LOCAL, MAINNET, SEPOLIA
from mesh_core.chain.ens.settings import RegistrarSettings, load
from tests.unit.chain.local import ROOT, Ask, local_names, sit_between

SECRET = "cd" * 32


def test_a_providers_account_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "evm.key"
    made = account_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert account_key(path) == made
    path.chmod(0o644)
    with pytest.raises(Misconfigured, match="others can read it"):
        account_key(path)


def test_a_damaged_account_key_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "evm.key"
    path.touch(0o600)
    path.write_text(SECRET[:-2])
    with pytest.raises(Misconfigured) as caught:
        account_key(path)
    assert SECRET[:16] not in str(caught.value) and path.read_text() == SECRET[:-2]


@pytest.mark.parametrize("text", [SECRET, f"0x{SECRET}", f" {SECRET} "])
def test_the_owners_key_comes_from_the_environment(text: str) -> None:
    assert key_from_environment({"WHISPER_ENS_KEY": text}) == PrivateKey(bytes.fromhex(SECRET))
    assert key_from_environment({}) is None


@pytest.mark.parametrize("text", [SECRET[:-1], SECRET + "00", "x" * 64, "0" * 64, "f" * 64])
def test_what_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(Misconfigured, match="WHISPER_ENS_KEY: expected a private key") as caught:
        key_from_environment({"WHISPER_ENS_KEY": text})
    assert text not in str(caught.value)


def test_the_owners_key_may_be_in_an_encrypted_keystore(tmp_path: Path) -> None:
    path = tmp_path / "owner.json"
    path.write_text(json.dumps(Account.encrypt("0x" + SECRET, "right", kdf="pbkdf2", iterations=2)))
    environment = {"WHISPER_ENS_KEYSTORE": str(path), "WHISPER_ENS_PASSWORD": "right"}
    assert key_from_environment(environment) == PrivateKey(bytes.fromhex(SECRET))
    for changes, words in (
        ({"WHISPER_ENS_PASSWORD": "wrong"}, "another password, or no keystore"),
        ({"WHISPER_ENS_PASSWORD": ""}, "WHISPER_ENS_PASSWORD is not"),
        ({"WHISPER_ENS_KEYSTORE": str(tmp_path / "none")}, "No such file"),
    ):
        with pytest.raises(Misconfigured, match=words) as caught:
            key_from_environment({**environment, **changes})
        assert "wrong" not in str(caught.value) and SECRET not in str(caught.value)
    path.write_text("{}")
    with pytest.raises(Misconfigured, match="another password, or no keystore"):
        key_from_environment(environment)


def settings_of(url: str, chain_id: int = LOCAL, payer_key: str = "") -> RegistrarSettings:
    return RegistrarSettings(url, chain_id, "axl.eth", "token", [], [], payer_key=payer_key)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"WHISPER_ENS_RESOLVER": "0x12"}, "WHISPER_ENS_RESOLVER: expected 0x and 40 hexadecimal digits"),
        ({"WHISPER_ENS_COST_CAP": "much"}, "WHISPER_ENS_COST_CAP=much: expected an amount of ether"),
        ({"WHISPER_ENS_COST_CAP": "-1"}, "expected an amount of ether"),
        ({"WHISPER_ENS_COST_CAP": "NaN"}, "expected an amount of ether"),
    ],
)
def test_variables_that_mean_nothing_are_refused(
    tmp_path: Path, environment: dict[str, str], words: str
) -> None:
    with pytest.raises(Misconfigured, match=words):
        Link(settings_of("http://127.0.0.1:9"), tmp_path, read_name("axl.eth"), environment)


async def test_addresses_that_are_given_take_the_place_of_the_known_ones(tmp_path: Path) -> None:
    given = "0x" + "12" * 20
    link = Link(
        settings_of("http://127.0.0.1:9", SEPOLIA),
        tmp_path,
        read_name("axl.eth"),
        {"WHISPER_ENS_WRAPPER": given},
    )
    assert link.directory.deployment.wrapper == given
    assert link.directory.deployment.resolver == "0xE99638b40E4Fff0129D56f03b55b6bbC4BBE49b5"
    await link.close()


async def test_a_node_without_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="WHISPER_RPC_URL names no node"):
        Link(settings_of("", SEPOLIA), tmp_path, read_name("axl.eth"), {})


async def test_on_mainnet_nothing_is_written_unless_somebody_says_that_it_may_cost_money(
    tmp_path: Path,
) -> None:
    """A local chain that says that it is mainnet stands in for it."""

    async def mainnet(method: str, params: Any, real: Ask) -> Any:
        return {"jsonrpc": "2.0", "id": 1, "result": "0x1"} if method == "eth_chainId" else await real()

    key = {"WHISPER_ENS_KEY": ROOT.to_bytes().hex()}
    async with local_names(tmp_path) as names:
        for environment, readonly in ((key, True), ({**key, "WHISPER_ENS_MAINNET": "1"}, False)):
            link = Link(settings_of(names.url, MAINNET), tmp_path, read_name("axl.eth"), environment)
            sit_between(link.w3, mainnet)
            await link.check()
            assert bool(link.readonly) == readonly
            await link.close()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000])
def test_settings_that_are_none_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "registrar.json"
    path.write_bytes(content)
    with pytest.raises(Misconfigured) as caught:
        load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
