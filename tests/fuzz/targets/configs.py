"""Files that people write or could have damaged: each is understood, or refused in one line that names it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import msgspec

from axl import config as axl_config
from axl import keys
from axl.config import ConfigError, NodeConfig
from axl.endpoint import Endpoint
from mesh_core.io import settings as participant_settings
from mesh_core.io.settings import SettingsError
from mesh_core.participant import _node_config
from tests.fuzz.mutate import by_bytes
from tests.fuzz.scratch import scratch_folder
from tests.fuzz.target import Target, require_one_line, require_words
from whisper_tui import settings as console_settings
from whisper_tui.errors import UserError
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor import prepare
from whisper_tui.supervisor.plan import Plan
from whisper_tui.supervisor.rundir import RunDir, SupervisorFile, lock
from whisper_tui.supervisor.settings_files import toml


@cache
def _folder() -> Path:
    return scratch_folder()


def _written(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


# -------------------------------------------------------------------------------------- provider.toml


def run_settings(data: bytes) -> None:
    """provider.toml: what is understood is written and understood alike, and a node can be made of it."""
    path = _written("provider.toml", data)
    try:
        settings = participant_settings.load(path)
    except SettingsError as error:
        require_one_line(str(error))
        assert str(path) in str(error)
        return
    _node_config(settings, bytes(32))
    table = msgspec.to_builtins(settings)
    del table["folder"]
    again = participant_settings.load(_written("provider.toml", toml(table).encode()))
    assert again == settings


_PROVIDER = b"""name = "node1"
role = "provider"
network = "local"
fast = true
key = "key.pem"
store = "store.db"
axl_url = "http://127.0.0.1:9002"
control_port = 8888
token_file = "../token"
log = "provider.log"
executes = true
capabilities = ["answer", "combine"]
price_micro = 10500
shards = [0]
shards_total = 6
exec_delay_s = 0.0
[credit]
"%s" = 5000000
[backend]
openai_url = "https://[::1]:443/v1"
""" % (b"ab" * 32)
_TOML_WORDS = (
    *(b"\n", b" = ", b'"', b"'''", b'"""', b"[", b"]", b"[[", b"{ a = 1 }", b"inf", b"nan", b"-1", b"1e400"),
    *(b"0x" + b"f" * 5000, b"9" * 30, b"1979-05-27T07:32:00Z", b"07:32:00", b"\\u0000", b"\\U0010ffff"),
    *(
        b"true",
        b"#",
        b"\x00",
        b"\r",
        b"\xe2\x80\xa8",
        b"\xc2\x85",
        b"\xff",
        b"\\n",
        b"backend.",
        b"electors = ",
    ),
    *(b"[" * 3000, b"folder", b"http://", b"://", b"localhost", b"::1", b"%", b"[::1", b"@", b"\x1b[2J"),
)


# ------------------------------------------------------------------------------------ node-config.json


def run_node_config(data: bytes) -> None:
    """node-config.json: what is understood is written and understood alike."""
    try:
        config = axl_config.parse(data)
    except ConfigError as error:
        require_one_line(str(error))
        return
    assert axl_config.parse(config.to_json().encode()) == config


_JSON_WORDS = (
    *(b'"', b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"-0", b"1e999", b"NaN", b"Infinity"),
    *(b"9" * 30, b"9" * 5000, b"1.0", b"\\u0000", b"\\ud800", b"\\u2028", b"\xff", b"\x00", b"[" * 3000),
    *(b'{"a":' * 3000, b"tls://", b"?key=" + b"ab" * 32, b"[::1]:9", b"0.0.0.0", b"\xef\xbb\xbf", b"-1"),
)


# --------------------------------------------------------------------------- run.json and its neighbours


def run_run_dir(data: bytes) -> None:
    """run.json, supervisor.json or the token, by the first byte."""
    run = RunDir(_folder())
    which, content = data[:1], data[1:]
    try:
        if which == b"p":
            _use_plan(_written("run.json", content))
        elif which == b"s":
            _written("supervisor.json", content)
            with lock(run.lock_file):
                assert run.running() is not None
        elif which == b"t":
            _written("token", content)
            assert len(run.token()) == 64
    except UserError as error:
        require_words(error.message)
        require_words(error.hint)


def _use_plan(path: Path) -> None:
    """What `up`, `status` and the console do with a plan."""
    plan = plans.load(path)
    assert plan is not None
    plans.save(path, plan)
    assert plans.load(path) == plan
    assert plan.operator.name == plans.OPERATOR
    prepare._check(msgspec.structs.replace(plan, auto_ports=True, corpus="", axl_node=""))
    require_words(prepare.kept_from_before(plan, prepare.Wishes()) or "nothing")
    prepare.differences(plan, prepare.Wishes(count=3, fast=True, exec_delay=1.0))
    assert prepare.seats_of(plan)
    plans.next_ports(plan, plan.count + 1)


def _plan() -> Plan:
    plan = Plan(created=1.5, shards_total=2, count=2, exec_delay=3.0)
    return msgspec.structs.replace(plan, participants=prepare.seats_of(plan))


# --------------------------------------------------------------------------------------------- key.pem


def run_key_file(data: bytes) -> None:
    """A key: what is understood is written and understood alike."""
    path = _written("key.pem", data)
    try:
        key = keys.load(path)
    except keys.KeyFileError as error:
        require_one_line(str(error))
        return
    assert keys.from_pem(key.pem()).peer == key.peer


# ------------------------------------------------------------------------------- the console's settings


def run_environment(data: bytes) -> None:
    """`.env`: what is understood can be handed to a process."""
    path = _written(".env", data)
    try:
        values = console_settings.parse_env_file(path)
        settings = console_settings.read(path)
    except UserError as error:
        require_words(error.message)
        return
    assert settings.exec_delay is None or 0 <= settings.exec_delay < float("inf")
    for name, value in values.items():
        assert name.isidentifier() and len(value.splitlines()) <= 1
        assert "\0" not in value, "no process can be given such a value"


TARGETS = (
    Target("settings", "provider.toml", run_settings, lambda: [_PROVIDER], by_bytes(_TOML_WORDS)),
    Target(
        "node_config",
        "node-config.json",
        run_node_config,
        lambda: [
            b"{}",
            NodeConfig("k.pem", (Endpoint("::1", 1, bytes(32)),), (Endpoint("0.0.0.0", 0),))
            .to_json()
            .encode(),
        ],
        by_bytes(_JSON_WORDS),
    ),
    Target(
        "run_dir",
        "run.json, supervisor.json, the token",
        run_run_dir,
        lambda: [
            b"p" + msgspec.json.encode(_plan()),
            b"p" + json.dumps(msgspec.to_builtins(_plan()), indent=2).encode(),
            b"s" + msgspec.json.encode(SupervisorFile(1, 2, 3.0)),
            b"t" + b"0f" * 32 + b"\n",
        ],
        by_bytes(_JSON_WORDS),
    ),
    Target(
        "key_file",
        "key.pem",
        run_key_file,
        lambda: [keys.from_seed(bytes(32)).pem()],
        by_bytes(
            (
                b"-----BEGIN PRIVATE KEY-----\n",
                b"-----END PRIVATE KEY-----",
                b"\n",
                b"=",
                b"ENCRYPTED ",
                b"AA",
            )
        ),
    ),
    Target(
        "environment",
        ".env, the console's settings",
        run_environment,
        lambda: [
            b"# a comment\nexport FAST_MODE=1\nEXEC_DELAY='1.5'\nOLLAMA_BASE_URL=\"http://127.0.0.1:1\" # here\n"
        ],
        by_bytes((b"\n", b"=", b"\r", b"\x00", b"'", b'"', b" #", b"export ", b"FAST_MODE=", b"EXEC_DELAY=")),
    ),
)
