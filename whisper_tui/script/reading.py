"""From a TOML file to a checked `Script`. Every mistake is found before anything starts, and named with its line."""

from __future__ import annotations

import difflib
import importlib.resources
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from whisper_tui.errors import BadInput
from whisper_tui.script import captures, durations, keys, looking
from whisper_tui.script.assertions import OPERATORS
from whisper_tui.script.schema import (
    CLOCKS,
    KINDS,
    LIVE,
    REPLAY,
    SCREEN,
    SIMULATION,
    Condition,
    ConsoleWish,
    Kind,
    MeshWish,
    Script,
    Step,
)
from whisper_tui.script.variables import NAME, VARIABLE, UnknownVariable, fill
from whisper_tui.script.verbs import VERBS, Verb
from whisper_tui.supervisor.plan import COUNT_MAX

FILE_BYTES_MAX = 1 << 20
TIMEOUT = "2m"
WITHIN: Mapping[Kind, str] = {
    "do": "30s",
    "press": "30s",
    "type": "30s",
    "capture": "10s",
    "wait": "30s",
    "expect": "60s",
    "save": "10s",
}
"""How long a step of each kind may take when it does not say."""

FLAGS: Mapping[str, str] = {"cast": "--cast FILE", "frames": "--frames DIR", "junit": "--junit FILE"}
"""What is asked for on the command line, not by a step."""

COLUMNS, ROWS = range(20, 401), range(5, 201)
"""Sizes a console may have."""

SIMULATED_MAX = 500
"""Providers that a simulated mesh may have."""

UNABLE: Mapping[str, str] = {
    SIMULATION: "a simulation has neither processes nor stores on disks",
    REPLAY: "a recording can be looked at, nothing can be done to it any more",
}
"""Why a source cannot do what was asked of it."""

OF_SCREENS = ("contains", "matches")
"""Operators that compare what the console shows."""

SEED = "seed"
"""A variable every script has: what its random choices are made from."""

_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_STEP_HEADER = re.compile(r"\s*\[\[\s*step\s*\]\]")
_WHERE = re.compile(r" - at `\$\.?(?P<where>[^`]*)`$")


class _Mesh(Struct, forbid_unknown_fields=True):
    nodes: int = 6
    fast: bool = False
    exec_delay: str = "0s"
    corpus: str = ""
    model: bool = True


class _Console(Struct, forbid_unknown_fields=True):
    columns: int = 120
    rows: int = 40
    pace: str = "0s"
    ascii: bool = False


class _Step(Struct, forbid_unknown_fields=True):
    about: str = ""
    within: str = ""
    do: str | None = None
    args: dict[str, Any] | None = None
    press: str | list[str] | None = None
    type: str | None = None
    capture: str | None = None
    wait: dict[str, Any] | list[dict[str, Any]] | None = None
    expect: dict[str, Any] | list[dict[str, Any]] | None = None
    save: dict[str, str] | None = None
    when: dict[str, Any] | list[dict[str, Any]] | None = None


class _File(Struct, forbid_unknown_fields=True):
    name: str
    about: str = ""
    source: str = LIVE
    recording: str = ""
    timeout: str = TIMEOUT
    mesh: _Mesh | None = None
    console: _Console = msgspec.field(default_factory=_Console)
    vars: dict[str, str | int | float] = {}
    step: list[dict[str, Any]] = []


def built_in() -> list[str]:
    """Names of the scripts that come with the program."""
    folder = importlib.resources.files("whisper_tui.scripts")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load(name_or_file: str, given: Mapping[str, str]) -> Script:
    """The built-in script of that name, or the one in that file, with `given` variables.

    BadInput names the file, the line and what was expected there.
    """
    if name_or_file in built_in():
        resource = importlib.resources.files("whisper_tui.scripts") / f"{name_or_file}.toml"
        return parse(resource.read_text(encoding="utf-8"), f"{name_or_file}.toml", given)
    path = Path(name_or_file)
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX)
        return parse(content.decode(), name_or_file, given)
    except FileNotFoundError:
        raise BadInput(
            f"no script {name_or_file}: neither a file nor built in",
            f"built in are {', '.join(built_in())}",
        ) from None
    except OSError as error:
        raise BadInput(f"script {name_or_file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"script {name_or_file} is not UTF-8 text") from error


def parse(text: str, file: str, given: Mapping[str, str]) -> Script:
    """The script in `text`. BadInput as in `load`."""
    return _Reader(text, file, given).script()


class _Reader:
    """One file being read. `known` grows by the names that steps save."""

    def __init__(self, text: str, file: str, given: Mapping[str, str]) -> None:
        self._lines = text.splitlines()
        self._text = text
        self._file = file
        self._given = given
        self._headers = [number for number, line in enumerate(self._lines, 1) if _STEP_HEADER.match(line)]
        self._known: dict[str, str] = {}
        self._saved_names: set[str] = set()
        self._source = LIVE

    def script(self) -> Script:
        raw = self._raw()
        variables = self._variables(raw.vars)
        self._known = dict(variables)
        if raw.source not in CLOCKS:
            self._fail(
                self._line("source"),
                f'source "{raw.source}" is not known; expected one of {", ".join(CLOCKS)}',
            )
        self._source = raw.source
        if raw.source == REPLAY and raw.mesh is not None:
            self._fail(self._line("mesh"), "mesh: a recording has the mesh that was recorded")
        if not raw.step:
            self._fail(max(1, len(self._lines)), "expected at least one [[step]]")
        return Script(
            name=raw.name,
            file=self._file,
            about=raw.about,
            source=raw.source,
            recording=self._recording(raw),
            timeout_s=self._seconds(raw.timeout, self._line("timeout")),
            mesh=self._mesh(raw.mesh or _Mesh()),
            console=self._console(raw.console),
            variables=variables,
            steps=tuple(self._step(number, table) for number, table in enumerate(raw.step, 1)),
        )

    # -------------------------------------------------------------------------------------- the whole

    def _raw(self) -> _File:
        try:
            table = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            found = _AT_LINE.search(str(error))
            line = int(found[1]) if found else max(1, len(self._lines))
            what = str(error).partition(" (at ")[0]
            self._fail(line, f"not TOML: {what[:1].lower()}{what[1:]}")
        except RecursionError:
            self._fail(1, "not TOML: nested too deeply")
        except ValueError as error:
            self._fail(1, f"not TOML: {error}")
        try:
            return msgspec.convert(table, _File)
        except msgspec.ValidationError as error:
            where, what = _explained(error)
            self._fail(self._line(where.partition(".")[0]), what)

    def _variables(self, defaults: Mapping[str, str | int | float]) -> dict[str, str]:
        variables = {name: str(value) for name, value in defaults.items()}
        for name in variables:
            if not NAME.fullmatch(name):
                self._fail(
                    self._line(name), f"{name!r} is no name of a variable: expected letters, digits and _"
                )
        unknown = sorted(set(self._given) - set(variables) - {SEED})
        if unknown:
            there = ", ".join([*variables, SEED])
            raise BadInput(f"--var {unknown[0]}: {self._file} has no such variable", f"it has {there}")
        return {**variables, **self._given}

    def _recording(self, raw: _File) -> str:
        if (raw.source == REPLAY) == bool(raw.recording):
            return str(self._filled(raw.recording, self._line("recording")))
        if raw.recording:
            self._fail(self._line("recording"), f'recording: belongs to source = "{REPLAY}"')
        self._fail(self._line("source"), f'source "{REPLAY}": expected recording = "FILE" as well')

    def _mesh(self, raw: _Mesh) -> MeshWish:
        line = self._line("mesh")
        most = COUNT_MAX if self._source == LIVE else SIMULATED_MAX
        if not 1 <= raw.nodes <= most:
            self._fail(line, f"mesh.nodes: expected 1…{most}, not {raw.nodes}")
        if raw.corpus and self._source != LIVE:
            self._fail(line, f"mesh.corpus: answers of a {self._source} come from no documents")
        return MeshWish(
            raw.nodes,
            raw.fast,
            self._seconds(raw.exec_delay, line),
            str(self._filled(raw.corpus, line)),
            raw.model,
        )

    def _console(self, raw: _Console) -> ConsoleWish:
        line = self._line("console")
        for name, size, sizes in (("columns", raw.columns, COLUMNS), ("rows", raw.rows, ROWS)):
            if size not in sizes:
                self._fail(line, f"console.{name}: expected {sizes[0]}…{sizes[-1]}, not {size}")
        return ConsoleWish(raw.columns, raw.rows, self._seconds(raw.pace, line), raw.ascii)

    # ------------------------------------------------------------------------------------------- steps

    def _step(self, number: int, table: dict[str, Any]) -> Step:
        line = self._line("step", number)
        self._refuse_unknown(number, table)
        try:
            raw = msgspec.convert(table, _Step)
        except msgspec.ValidationError as error:
            where, what = _explained(error)
            self._fail(self._line(where.partition(".")[0], number), f"step {number}: {what}")
        kind = self._kind(number, line, raw)
        step = Step(
            number=number,
            line=line,
            kind=kind,
            about=raw.about,
            within_s=self._seconds(raw.within or WITHIN[kind], self._line("within", number)),
            action=raw.do or "",
            args=self._args(number, raw),
            keys=self._keys(number, raw.press),
            text=self._typed(number, raw.type),
            file=self._picture(number, raw.capture),
            conditions=self._conditions(number, kind, raw.wait if raw.wait is not None else raw.expect),
            when=self._conditions(number, "when", raw.when),
            save=self._saved(number, raw.save or {}),
        )
        return step

    def _refuse_unknown(self, number: int, table: Mapping[str, Any]) -> None:
        known = {field.name for field in msgspec.structs.fields(_Step)}
        for key in table:
            line = self._line(key, number)
            if key in FLAGS:
                self._fail(line, f"step {number}: {key} is asked for on the command line: {FLAGS[key]}")
            if key not in known:
                self._fail(
                    line, f"step {number}: {key} is no kind of step; expected one of {', '.join(KINDS)}"
                )

    def _kind(self, number: int, line: int, raw: _Step) -> Kind:
        said = [kind for kind in KINDS if kind != "save" and getattr(raw, kind) is not None]
        if len(said) > 1:
            self._fail(
                line, f"step {number} says {' and '.join(said)}: expected exactly one of {', '.join(KINDS)}"
            )
        if not said and not raw.save:
            self._fail(line, f"step {number} does nothing: expected exactly one of {', '.join(KINDS)}")
        if raw.args is not None and raw.do is None:
            self._fail(self._line("args", number), f"step {number}: args belong to do")
        kinds: dict[str, Kind] = {kind: kind for kind in KINDS}
        return kinds[said[0]] if said else "save"

    def _args(self, number: int, raw: _Step) -> Any:
        if raw.do is None:
            return None
        verb = VERBS.get(raw.do)
        if verb is None:
            self._fail(
                self._line("do", number),
                f"step {number}: cannot do {raw.do!r}; expected one of {', '.join(VERBS)}",
            )
        past = self._source == REPLAY and not verb.only_passes_time
        if past or (verb.needs_processes and self._source != LIVE):
            self._fail(self._line("do", number), f"step {number}: {raw.do}: {UNABLE[self._source]}")
        line = self._line("args" if raw.args else "do", number)
        try:
            args = msgspec.convert(raw.args or {}, verb.args)
        except msgspec.ValidationError as error:
            self._fail(line, f"step {number}: args of {raw.do}: {_explained(error)[1]}")
        for name in verb.of_processes:
            if self._source != LIVE and getattr(args, name) is not None:
                self._fail(line, f"step {number}: {raw.do}: {name}: {UNABLE[self._source]}")
        self._check_args(number, line, verb, msgspec.to_builtins(args))
        return args

    def _check_args(self, number: int, line: int, verb: Verb, args: Mapping[str, Any]) -> None:
        """Refuse what can be known to be wrong now: all but what an earlier step saves."""
        filled = self._filled(args, line)
        used = {name for value in args.values() for name in VARIABLE.findall(str(value))}
        if used & self._saved_names:
            return
        try:
            verb.check(filled)
        except ValueError as error:
            given = ", ".join(f"--var {name}={self._given[name]}" for name in sorted(used & set(self._given)))
            self._fail(line, f"step {number}: {error}" + (f" ({given})" if given else ""))

    def _keys(self, number: int, raw: str | list[str] | None) -> tuple[str, ...]:
        pressed = (raw,) if isinstance(raw, str) else tuple(raw or ())
        line = self._line("press", number)
        if raw is not None and not pressed:
            self._fail(line, f"step {number}: press: expected at least one key")
        for key in pressed:
            self._check_text(number, line, "press", key, keys.check)
        return pressed

    def _typed(self, number: int, raw: str | None) -> str:
        if raw is not None:
            self._check_text(number, self._line("type", number), "type", raw, keys.of_text)
        return raw or ""

    def _picture(self, number: int, raw: str | None) -> str:
        if raw is not None:
            self._check_text(number, self._line("capture", number), "capture", raw, captures.check)
        return raw or ""

    def _check_text(
        self, number: int, line: int, key: str, text: str, check: Callable[[str], object]
    ) -> None:
        """Refuse what can be known to be wrong now: all but what an earlier step saves."""
        filled = str(self._filled(text, line))
        if set(VARIABLE.findall(text)) & self._saved_names:
            return
        try:
            check(filled)
        except ValueError as error:
            self._fail(line, f"step {number}: {key}: {error}")

    def _conditions(
        self, number: int, key: str, raw: dict[str, Any] | list[dict[str, Any]] | None
    ) -> tuple[Condition, ...]:
        if raw is None:
            return ()
        tables = raw if isinstance(raw, list) else [raw]
        line = self._line(key, number)
        if not tables:
            self._fail(line, f"step {number}: {key}: expected at least one condition")
        return tuple(self._condition(number, line, key, table) for table in tables)

    def _condition(self, number: int, line: int, key: str, table: Mapping[str, Any]) -> Condition:
        path = table.get("path")
        operators = [name for name in table if name != "path"]
        if not isinstance(path, str) or len(operators) != 1 or operators[0] not in OPERATORS:
            self._fail(
                line,
                f'step {number}: {key}: expected {{ path = "…", OPERATOR = value }} with one of {", ".join(OPERATORS)}',
            )
        expected = table[operators[0]]
        if operators[0] == "matches":
            self._check_pattern(number, line, expected)
        self._filled(expected, line)
        self._filled(path, line)
        if path == SCREEN and operators[0] not in OF_SCREENS:
            self._fail(
                line, f"step {number}: {key}: screen: expected {' or '.join(OF_SCREENS)}, not {operators[0]}"
            )
        if path == SCREEN:
            return Condition(path, operators[0], expected)
        if looking.needs_audit(path) and self._source != LIVE:
            self._fail(line, f"step {number}: {key}: {path}: {UNABLE[self._source]}")
        try:
            looking.check(VARIABLE.sub("name", path), waiting=key == "wait")
        except looking.BadPath as error:
            self._fail(line, f"step {number}: {key}: {error}")
        return Condition(path, operators[0], expected)

    def _check_pattern(self, number: int, line: int, pattern: Any) -> None:
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            self._fail(line, f"step {number}: matches: expected a regular expression: {error}")

    def _saved(self, number: int, save: Mapping[str, str]) -> Mapping[str, str]:
        line = self._line("save", number)
        for name, path in save.items():
            if not NAME.fullmatch(name):
                self._fail(line, f"step {number}: save: {name!r} is no name of a variable")
            self._filled(path, line)
            try:
                looking.check(VARIABLE.sub("name", path), waiting=True)
            except looking.BadPath as error:
                self._fail(line, f"step {number}: save: {error}")
            self._known[name] = ""
            self._saved_names.add(name)
        return save

    # ----------------------------------------------------------------------------------------- helpers

    def _seconds(self, text: str, line: int) -> float:
        try:
            return durations.seconds(str(self._filled(text, line)))
        except ValueError as error:
            self._fail(line, str(error))

    def _filled(self, value: Any, line: int) -> Any:
        """`value` with the variables known so far; a failure when it names another."""
        try:
            return fill(value, {SEED: "", **self._known})
        except UnknownVariable as error:
            near = difflib.get_close_matches(error.name, self._known, n=1)
            hint = f"; did you mean ${{{near[0]}}}?" if near else ""
            self._fail(line, f"${{{error.name}}} is not set by [vars] or by an earlier save{hint}")

    def _line(self, key: str, step: int = 0) -> int:
        """The line on which `key` is set, in that step if one is given, or the nearest line that is known."""
        first, last = 1, (self._headers[0] - 1 if self._headers else len(self._lines))
        if step or key == "step":
            at = max(step, 1) - 1
            first = self._headers[at] if at < len(self._headers) else 1
            last = self._headers[at + 1] - 1 if at + 1 < len(self._headers) else len(self._lines)
        setting = re.compile(rf"\s*\[?\[?\s*\"?{re.escape(key)}\"?\s*[=.\]]")
        for number in range(first, last + 1):
            if setting.match(self._lines[number - 1]):
                return number
        return first

    def _fail(self, line: int, what: str) -> NoReturn:
        raise BadInput(f"{self._file}:{line}: {what}")


def _explained(error: msgspec.ValidationError) -> tuple[str, str]:
    """(key, what is wrong with it) of msgspec's message."""
    message = str(error)
    found = _WHERE.search(message)
    where = found["where"] if found else ""
    what = message[: found.start()] if found else message
    field = re.fullmatch(r"Object (missing required|contains unknown) field `([^`]*)`", what)
    if field:
        where = ".".join(filter(None, [where, field[2]]))
        what = f"{field[2]} is missing" if field[1].startswith("missing") else f"{field[2]} is not known here"
        return where, what
    what = what.replace("`", "")
    return where, f"{where + ': ' if where else ''}{what[:1].lower()}{what[1:]}"
