"""Settings are read strictly; each mistake is one line with the file and the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mesh_core.__main__ import _executor
from mesh_core.config import DEFAULT_SLOTS
from mesh_core.io.settings import SettingsError, load, read_token
from mesh_core.participant import _node_config

GOOD = """
name = "node1"
role = "provider"
network = "local"
fast = true
key = "key.pem"
store = "store.db"
axl_url = "http://127.0.0.1:9002"
control_host = "127.0.0.1"
control_port = 8888
token_file = "../token"
log = "provider.log"
executes = true
capabilities = ["answer", "combine"]
price_micro = 10500
shards = [0]
shards_total = 6
exec_delay_s = 0.0
corpus_index = ""
ens_name = ""
[credit]
"{peer}" = 5000000
[backend]
llama_cpp_url = "http://127.0.0.1:8886"
""".replace("{peer}", "ab" * 32)


def written(folder: Path, text: str) -> Path:
    path = folder / "provider.toml"
    path.write_text(text)
    return path


def test_what_the_supervisor_writes_is_understood(tmp_path: Path) -> None:
    settings = load(written(tmp_path, GOOD))
    assert (settings.name, settings.fast, settings.shards, settings.credit) == (
        "node1",
        True,
        [0],
        {"ab" * 32: 5000000},
    )
    assert settings.path(settings.token_file) == tmp_path / ".." / "token"
    assert settings.backend.llama_cpp_url == "http://127.0.0.1:8886"
    assert settings.backend.ollama_url == ""


def test_paths_do_not_depend_on_where_the_process_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, GOOD)
    monkeypatch.chdir(tmp_path)
    settings = load(Path("provider.toml"))
    monkeypatch.chdir("/")
    assert settings.path(settings.store) == tmp_path / "store.db"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("price_micro = 10500", 'price_micro = "cheap"', "price_micro: expected int, got str"),
        ("price_micro = 10500", "price_micro = -1", "price_micro: expected int >= 0"),
        ("control_port = 8888", "control_port = 70000", "control_port: expected int <= 65535"),
        ("control_port = 8888", "", "control_port: is missing"),
        ("fast = true", "fats = true", "fats: is not a setting"),
        ('role = "provider"', 'role = "king"', "role: invalid enum value 'king'"),
        ('name = "node1"', 'name = "a\\u001bb"', "name: expected str matching regex"),
        ("[backend]", "[backend]\nollama_port = 1", "backend.ollama_port: is not a setting"),
        ("shards = [0]", "shards = [6]", "shards: 6 is not below shards_total = 6"),
        (
            'control_host = "127.0.0.1"',
            'control_host = "0.0.0.0"',
            "control_host: expected an address of this machine",
        ),
        (
            'axl_url = "http://127.0.0.1:9002"',
            'axl_url = "9002"',
            "axl_url: expected http://HOST:PORT, got '9002'",
        ),
        ("ab" * 32, "ab" * 31, "credit"),
        ("fast = true", "fast = yes", "is not TOML: Invalid value (at line 5"),
        ("fast = true", 'folder = "/"', "folder: is not a setting"),
        ("exec_delay_s = 0.0", "exec_delay_s = nan", "exec_delay_s"),
        ("exec_delay_s = 0.0", "exec_delay_s = inf", "exec_delay_s"),
        ("price_micro = 10500", f"price_micro = {10**30}", "price_micro"),
        ("price_micro = 10500", f"price_micro = {'9' * 5_000}", "is not TOML: Exceeds the limit"),
        ("fast = true", "slots = 0", "slots: expected int >= 1"),
        ("shards_total = 6", "shards_total = 1_000_000", "shards_total: expected int <= 1000"),
        ("shards = [0]", f"shards = {'[' * 5_000}", "is nested too deeply"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load(tmp_path / "nothing.toml")
    with pytest.raises(SettingsError, match="Is a directory"):
        load(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load(tmp_path / "binary.toml")


@pytest.mark.parametrize("content", ["", "\n", "short", "two words in one token", "ü" * 20])
def test_a_token_that_protects_nothing_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    settings = load(written(tmp_path, GOOD.replace("../token", "token")))
    with pytest.raises(SettingsError, match="16 to 256 printable"):
        read_token(settings)


def test_a_token_is_read_without_its_newline(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("0123456789abcdef\n")
    assert read_token(load(written(tmp_path, GOOD.replace("../token", "token")))) == "0123456789abcdef"


def test_slots_are_one_number_for_bids_claims_and_executions(tmp_path: Path) -> None:
    for said, slots in (("", DEFAULT_SLOTS), ("slots = 5\n", 5)):
        settings = load(written(tmp_path, said + GOOD))
        executor: Any = _executor(settings)
        assert _node_config(settings, bytes(32)).slots == executor._slots._value == slots
