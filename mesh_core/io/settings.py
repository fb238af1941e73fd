"""provider.toml: who a participant is, where its files are, what it can do.

Relative paths are relative to the file. Every mistake is one line with the file and the key.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, field

from mesh_core.api.backends import BackendSettings
from mesh_core.api.schema import Role
from mesh_core.config import DEFAULT_SLOTS, limit
from mesh_core.wire.malformed import explained
from mesh_core.work.options import SHARDS_MAX

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Port: TypeAlias = Annotated[int, Meta(ge=0, le=65535)]
Price: TypeAlias = Annotated[int, Meta(ge=0, le=limit("price_micro_max"))]
Shards: TypeAlias = Annotated[int, Meta(ge=0, le=SHARDS_MAX)]
Micro: TypeAlias = Annotated[int, Meta(ge=0, le=limit("sequence_max"))]
PeerHex: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class SettingsError(Exception):
    """The settings cannot be used; the message is one line with the file and the key."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Content of provider.toml. `control_port` 0 picks a free one; `slots` is how many workloads run at once;
    `shards` are home shards, counted from 0; `exec_delay_s` holds every execution in progress that much longer, for demonstrations; `credit` maps
    submitters to their limit in micro-AXL; `electors` elect the first checkpoint, and records are never dropped where none are
    named; the newest `retained_records` never are."""

    name: Name
    role: Role
    network: Name
    key: str
    store: str
    axl_url: str
    control_port: Port
    token_file: str
    log: str
    fast: bool = False
    control_host: str = "127.0.0.1"
    executes: bool = False
    capabilities: list[Name] = field(default_factory=list)
    slots: Annotated[int, Meta(ge=1, le=64)] = DEFAULT_SLOTS
    price_micro: Price = 0
    shards: list[Shards] = field(default_factory=list)
    shards_total: Shards = 0
    exec_delay_s: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    corpus_index: str = ""
    ens_name: Annotated[str, Meta(max_length=255)] = ""
    credit: dict[PeerHex, Micro] = field(default_factory=dict)
    electors: Annotated[list[PeerHex], Meta(max_length=limit("committee_max"))] = field(default_factory=list)
    retained_records: Annotated[int, Meta(ge=16, le=limit("sequence_max"))] = limit("retained_records")
    backend: BackendSettings = field(default_factory=BackendSettings)
    folder: str = ""
    """Set by `load`: where relative paths start."""

    def path(self, name: str) -> Path:
        """A path of these settings, from wherever the process runs."""
        return Path(self.folder) / name


def load(path: Path) -> Settings:
    """Read provider.toml. Raises SettingsError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"settings {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"settings {path} is not UTF-8 text") from None
    except RecursionError:
        raise SettingsError(f"settings {path} is nested too deeply") from None
    except ValueError as error:  # TOML's own error is one; so is a number of thousands of digits
        raise SettingsError(f"settings {path} is not TOML: {error}") from None
    if "folder" in table:
        raise SettingsError(f"settings {path}: folder: is not a setting")
    try:
        settings = msgspec.convert({**table, "folder": str(path.parent.absolute())}, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"settings {path}: {explained(error, 'is not a setting')}") from None
    _check(path, settings)
    return settings


def read_token(settings: Settings) -> str:
    """The token that commands must show. Raises SettingsError."""
    path = settings.path(settings.token_file)
    try:
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingsError(f"token {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        token = ""
    if not re.fullmatch(r"[\x21-\x7e]{16,256}", token):
        raise SettingsError(f"token {path} must hold one word of 16 to 256 printable characters")
    return token


def _check(path: Path, settings: Settings) -> None:
    """What types cannot say. Raises SettingsError."""
    urls = {"axl_url": settings.axl_url} | {
        f"backend.{name}": value
        for name, value in msgspec.to_builtins(settings.backend).items()
        if name.endswith("_url")
    }
    for key, url in urls.items():
        if (url or key == "axl_url") and not _is_http(url):
            raise SettingsError(f"settings {path}: {key}: expected http://HOST:PORT, got {url!r}")
    if not _is_loopback(settings.control_host):
        raise SettingsError(
            f"settings {path}: control_host: expected an address of this machine such as 127.0.0.1, "
            f"got {settings.control_host!r}"
        )
    beyond = [shard for shard in settings.shards if shard >= settings.shards_total]
    if beyond:
        raise SettingsError(
            f"settings {path}: shards: {beyond[0]} is not below shards_total = {settings.shards_total}"
        )


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
