"""`node-config.json`, with the schema of Gensyn's Go node. Every field is optional.

Unlike the Go node, which ignores what it cannot read, this one refuses a field it does not know or whose
value has the wrong type: a misspelt `Peers` would otherwise be a node that silently never meets anyone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from axl.endpoint import Endpoint, EndpointError, parse_endpoint

DEFAULT_PATH = "node-config.json"
CONFIG_BYTES_MAX = 1024 * 1024


class ConfigError(Exception):
    """A configuration that cannot be used. The message is one line: which file, which field, what to do."""


def _text(name: str, default: str) -> Any:
    return field(default=default, metadata={"name": name, "read": _read_text})


def _endpoints(name: str) -> Any:
    return field(default=(), metadata={"name": name, "read": _read_endpoints})


def _integer(name: str, default: int, least: int, most: int) -> Any:
    def read(value: object) -> int:
        # JSON's true is an int to Python, never to whoever wrote the file.
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ConfigError(f"must be a whole number from {least} to {most}, not {_shown(value)}")
        return value

    return field(default=default, metadata={"name": name, "read": read})


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"must be a string, not {_shown(value)}")
    return value


def _read_endpoints(value: object) -> tuple[Endpoint, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"must be a list of tls://host:port, not {_shown(value)}")
    try:
        return tuple(parse_endpoint(_read_text(item)) for item in value)
    except EndpointError as error:
        raise ConfigError(f"is wrong: {error}") from None


def _shown(value: object) -> str:
    return json.dumps(value)[:80]


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What a node is told.

    A relative `private_key_path` is relative to the working directory, as in the Go node; empty means a key
    that lives as long as the process. `api_port` 0 picks a free port. The fields from `tcp_port` to
    `a2a_port` belong to parts of the Go node that this one does not have; they are read and have no effect.
    """

    private_key_path: str = _text("PrivateKeyPath", "")
    peers: tuple[Endpoint, ...] = _endpoints("Peers")
    listen: tuple[Endpoint, ...] = _endpoints("Listen")
    api_port: int = _integer("api_port", 9002, 0, 65535)
    bridge_addr: str = _text("bridge_addr", "127.0.0.1")
    tcp_port: int = _integer("tcp_port", 7000, 0, 65535)
    router_addr: str = _text("router_addr", "")
    router_port: int = _integer("router_port", 9003, 0, 65535)
    a2a_addr: str = _text("a2a_addr", "")
    a2a_port: int = _integer("a2a_port", 9004, 0, 65535)
    max_message_size: int = _integer("max_message_size", 16 * 1024 * 1024, 1, 2**31 - 1)
    max_concurrent_conns: int = _integer("max_concurrent_conns", 128, 1, 10_000)
    conn_read_timeout_secs: int = _integer("conn_read_timeout_secs", 60, 1, 86_400)
    conn_idle_timeout_secs: int = _integer("conn_idle_timeout_secs", 300, 1, 86_400)

    def to_json(self) -> str:
        """The text of a `node-config.json` that either node reads."""
        values = {known.metadata["name"]: getattr(self, known.name) for known in fields(self)}
        return json.dumps(values, indent=2, default=str) + "\n"


def load(path: Path | str) -> NodeConfig:
    """The configuration in a file. Raises ConfigError."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(CONFIG_BYTES_MAX + 1)
    except FileNotFoundError:
        raise ConfigError(f"config {path} does not exist; name one with -config FILE") from None
    except OSError as error:
        raise ConfigError(f"config {path} cannot be read: {error.strerror}") from None
    try:
        return parse(content)
    except ConfigError as error:
        raise ConfigError(f"config {path}: {error}") from None


def parse(content: bytes) -> NodeConfig:
    """The configuration in JSON text. Raises ConfigError, whose message does not know the file's name."""
    if len(content) > CONFIG_BYTES_MAX:
        raise ConfigError(f"is larger than {CONFIG_BYTES_MAX} bytes")
    try:
        document = json.loads(content)
    except json.JSONDecodeError as error:
        raise ConfigError(f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError):  # no text, a number of thousands of digits, or nested without end
        raise ConfigError("is not JSON") from None
    if not isinstance(document, dict):
        raise ConfigError('must hold a JSON object, as in {"api_port": 9002}')
    known = {setting.metadata["name"]: setting for setting in fields(NodeConfig)}
    values: dict[str, Any] = {}
    for name, value in document.items():
        if name not in known:
            raise ConfigError(f"field {_shown(name)} is not known; known are {', '.join(known)}")
        try:
            values[known[name].name] = known[name].metadata["read"](value)
        except ConfigError as error:
            raise ConfigError(f"field {name} {error}") from None
    return NodeConfig(**values)
