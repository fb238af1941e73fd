"""Scripts: any text is a plan, or one line that says where it is wrong."""

from __future__ import annotations

import importlib.resources
import re
from functools import cache
from pathlib import Path

from tests.fuzz.mutate import by_bytes
from tests.fuzz.scratch import scratch_folder
from tests.fuzz.target import Target, require_words
from whisper_tui.errors import BadInput
from whisper_tui.script.assertions import describe, judge
from whisper_tui.script.reading import built_in, load
from whisper_tui.script.schema import Script

DAY_S = 86_400.0


@cache
def _file() -> Path:
    return scratch_folder() / "script.toml"


def run_script(data: bytes) -> None:
    """Read a script; if it is sound, look at every step as a run and its report do."""
    _file().write_bytes(data)
    try:
        script = load(str(_file()), {})
    except BadInput as error:
        require_words(error.message)
        _check_place(error.message, data)
        return
    _check_script(script)


def _check_place(message: str, data: bytes) -> None:
    found = re.match(re.escape(str(_file())) + r":([0-9]+): ", message)
    if found is None:
        assert message == f"script {_file()} is not UTF-8 text", f"no place: {message}"
        return
    assert 1 <= int(found[1]) <= max(1, len(data.decode().splitlines()))


def _check_script(script: Script) -> None:
    assert 0 <= script.timeout_s < float("inf") and 0 <= script.mesh.exec_delay_s < float("inf")
    for step in script.steps:
        assert 0 <= step.within_s < float("inf")
        for condition in (*step.conditions, *step.when):
            require_words(describe(condition))
            for actual in (None, 3, 0.5, "6/6", ["node1"], True):
                require_words(judge(condition, actual).text)


def script_seeds() -> list[bytes]:
    """The built-in scripts, and one with everything that is short."""
    folder = importlib.resources.files("whisper_tui.scripts")
    return [*((folder / f"{name}.toml").read_bytes() for name in built_in()), _SHORT]


_SHORT = b"""name = "x"
timeout = "1m"
mesh = { nodes = 4, fast = true, exec_delay = "1500ms" }
console = { columns = 80, rows = 24, pace = "5ms" }
[vars]
query = "what?"
count = 3
[[step]]
about = "ask"
do = "submit"
args = { query = "${query}" }
save = { q = "query.last" }
[[step]]
wait = { path = "query.${q}.running", ge = "${count}" }
within = "5s"
[[step]]
expect = [{ path = "jobs.settled_twice", eq = 0 }, { path = "nodes.up", matches = "[0-9]+" }]
when = { path = "run.streaming", contains = "a" }
[[step]]
press = ["X", "k", "escape"]
[[step]]
type = "${query}"
[[step]]
capture = "a.svg"
[[step]]
wait = { path = "screen", contains = "dead" }
[[step]]
do = "storm"
args = { lasting = "1s", query = "why?" }
"""
_WORDS = (
    *(
        b"\n",
        b" = ",
        b'"',
        b"'''",
        b'"""',
        b"[[step]]\n",
        b"[vars]\n",
        b"${",
        b"}",
        b"{ path = ",
        b"nan",
        b"inf",
    ),
    *(
        b"matches = ",
        b"(" * 600,
        b"a{99999999999}",
        b"(?P<",
        b"[",
        b"\\\\",
        b"\\u0000",
        b"1979-05-27",
        b"07:32:00",
    ),
    *(
        b"9" * 30,
        b"9" * 400 + b"s",
        b"0x" + b"f" * 5000,
        b"-1",
        b"ms",
        b"\xc2\x85",
        b"\xe2\x80\xa8",
        b"\r",
        b"#",
    ),
    *(
        b"do = ",
        b"wait = ",
        b"expect = ",
        b"save = ",
        b"when = ",
        b"within = ",
        b"args = ",
        b"press = 1",
        b"\xff",
    ),
    *(b"query.", b"nodes.", b"jobs.", b"audit.", b"run.", b".", b"eq = ", b"ge = ", b"a.b.c = ", b"[step]"),
    *(b'"\\n"', b"step.", b"\x0c", b"\x1c", b'"\\u2028"', b"[" * 2000, b"a." * 2000 + b"a = 1"),
)

TARGETS = (Target("script", "TOML scripts", run_script, script_seeds, by_bytes(_WORDS)),)
