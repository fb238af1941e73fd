"""node-config.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from axl import config
from axl.config import ConfigError, NodeConfig
from axl.endpoint import Endpoint


def test_an_empty_object_gives_the_go_nodes_defaults() -> None:
    made = config.parse(b"{}")
    assert made == NodeConfig()
    assert (made.api_port, made.bridge_addr, made.tcp_port) == (9002, "127.0.0.1", 7000)
    assert (made.max_message_size, made.max_concurrent_conns) == (16777216, 128)
    assert (made.conn_read_timeout_secs, made.conn_idle_timeout_secs) == (60, 300)


def test_the_go_nodes_own_example_is_read() -> None:
    made = config.parse(
        b"""{"PrivateKeyPath": "private.pem", "Peers": ["tls://34.46.48.224:9001", "tls://host.example:9001"],
        "Listen": [], "max_message_size": 524288000, "conn_read_timeout_secs": 600}"""
    )
    assert made.private_key_path == "private.pem"
    assert made.peers == (Endpoint("34.46.48.224", 9001), Endpoint("host.example", 9001))
    assert made.max_message_size == 524288000


def test_what_is_written_is_read_alike() -> None:
    made = NodeConfig(
        private_key_path="k.pem",
        peers=(Endpoint("::1", 9001, bytes(range(32))),),
        listen=(Endpoint("0.0.0.0", 0),),
        api_port=0,
    )
    assert config.parse(made.to_json().encode()) == made


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"peers": []}, 'field "peers" is not known; known are PrivateKeyPath, Peers'),
        ({"Peers": "tls://127.0.0.1:1"}, "field Peers must be a list"),
        ({"Peers": [1]}, "field Peers must be a string, not 1"),
        ({"Peers": ["tcp://127.0.0.1:1"]}, "field Peers is wrong: expected tls://host:port"),
        ({"Listen": ["tls://127.0.0.1:99999"]}, "port 99999"),
        ({"Listen": None}, "field Listen must be a list"),
        ({"api_port": "9002"}, "field api_port must be a whole number from 0 to 65535"),
        ({"api_port": True}, "field api_port must be a whole number"),
        ({"api_port": 9002.5}, "field api_port must be a whole number"),
        ({"api_port": -1}, "field api_port"),
        ({"max_message_size": 0}, "field max_message_size"),
        ({"max_message_size": 2**32}, "field max_message_size"),
        ({"bridge_addr": 1}, "field bridge_addr must be a string"),
        ({"PrivateKeyPath": ["x" * 1000]}, "field PrivateKeyPath must be a string"),
    ],
)
def test_a_wrong_field_is_named_in_one_line(tmp_path: Path, document: object, words: str) -> None:
    path = tmp_path / "node-config.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    message = str(caught.value)
    assert message.startswith(f"config {path}: ")
    assert words in message
    assert "\n" not in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1, column 1: not JSON"),
        (b'{\n"Peers": [,]}', "line 2, column 11: not JSON"),
        (b"\xff{}", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"api_port": %s}' % (b"9" * 5_000), "is not JSON"),
        (b'{"api_port": NaN}', "must be a whole number"),
        (b"[]", "must hold a JSON object"),
        (b" " * (1024 * 1024 + 1), "is larger than"),
    ],
    ids=range(8),
)
def test_a_file_that_is_no_json_object_is_refused_in_one_line(content: bytes, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.parse(content)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.json does not exist; name one with -config"):
        config.load(tmp_path / "nowhere.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path)
