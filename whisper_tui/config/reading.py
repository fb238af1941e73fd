"""From a TOML file to a checked `Configuration`. Every mistake is one line: which file, which line, what was expected."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from whisper_tui import ownership
from whisper_tui.config.keys import bound, conflict, key_id_problem
from whisper_tui.config.lines import line_of, lines_of
from whisper_tui.config.schema import SETTINGS, Configuration, Context, Value
from whisper_tui.errors import BadInput
from whisper_tui.keymap import Bound

VARIABLE = "WHISPER_CONFIG"
FILE_BYTES_MAX = 1 << 20
TABLES = ("keys", "contexts")

_AT_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")
_CONTEXT_NAME = re.compile(r"[\w.-]{1,32}")
_OF_A_CONTEXT = ("run_dir", "control", "token_file")


def find(flag: Path | None) -> tuple[Path, str]:
    """Which file counts, and who says so: `--config`, the variable WHISPER_CONFIG, or the user's configuration folder,
    where it need not be."""
    if flag is not None:
        return flag.expanduser(), "--config"
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser(), VARIABLE
    home = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(home) if home.startswith("/") else Path.home() / ".config"
    return folder / "whisper" / "config.toml", ""


def load(flag: Path | None = None) -> Configuration:
    """What the file says that counts; nothing when there is none where it need not be. BadInput with one line for a file
    that cannot be read, is somebody else's, or has a mistake in it."""
    path, named_by = find(flag)
    try:
        content = ownership.read(path, other=f"or name another with --config FILE or {VARIABLE}")
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not named_by:
            return Configuration()
        told = f"{named_by} {path}" if named_by else str(path)
        raise BadInput(f"{told}: {error.strerror}", "`whisper-tui config` says what is in force") from error
    try:
        text = content[:FILE_BYTES_MAX].decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: it is not UTF-8 text") from error
    return parse(text, path)


def parse(text: str, path: Path) -> Configuration:
    """What `text`, read from `path`, says; BadInput as in `load`."""
    return _Reader(text, path).configuration()


class _Reader:
    """One file being read."""

    def __init__(self, text: str, path: Path) -> None:
        self._text = text
        self._path = path
        self._lines = lines_of(text)

    def configuration(self) -> Configuration:
        raw = self._raw()
        known = [setting.name for setting in SETTINGS]
        for name in raw:
            if name not in (*known, *TABLES):
                near = difflib.get_close_matches(name, (*known, *TABLES), 1)
                meant = f"is {near[0]} meant?" if near else f"there are {', '.join((*known, *TABLES))}"
                self._fail([name], f"no such setting; {meant}")
        values: dict[str, Value] = {}
        for setting in SETTINGS:
            if setting.name in raw:
                if problem := setting.problem(raw[setting.name]):
                    self._fail([setting.name], problem)
                values[setting.name] = raw[setting.name]
        return Configuration(
            self._path,
            values,
            self._keys(self._table(raw, "keys")),
            tuple(self._context(name, said) for name, said in self._table(raw, "contexts").items()),
            {".".join(path): line for path, line in self._lines.items()},
        )

    def _raw(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            at = _AT_LINE.search(str(error))
            line = at[1] if at and at[1] else str(max(1, len(self._text.splitlines())))
            raise BadInput(f"{self._path} line {line}: {_AT_LINE.sub('', str(error))}") from error

    def _table(self, raw: Mapping[str, Any], name: str) -> dict[str, Any]:
        table = raw.get(name, {})
        if not isinstance(table, dict):
            self._fail([name], f"expected a table: [{name}]")
        return table

    def _keys(self, said: Mapping[str, Any]) -> dict[str, Bound]:
        keys: dict[str, Bound] = {}
        for id, words in said.items():
            if problem := key_id_problem(id):
                self._fail(["keys", id], problem)
            listed = [words] if isinstance(words, str) else words
            if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
                self._fail(["keys", id], 'expected a key such as "n", or several: ["n", "f5"]')
            try:
                keys[id] = bound(listed)
            except ValueError as error:
                self._fail(["keys", id], str(error))
            if id == "yes" and {"enter", "space"} & set(keys[id].keys.split(",")):
                self._fail(["keys", id], "neither enter nor space says yes: they are pressed without looking")
        for id in keys:
            if taken := conflict(id, keys):
                self._fail(["keys", id], f"{taken}: choose another key, or bind that one elsewhere too")
        return keys

    def _context(self, name: str, said: Any) -> Context:
        at = ["contexts", name]
        if not isinstance(said, dict):
            self._fail(at, f"expected a table: [contexts.{name}]")
        if not _CONTEXT_NAME.fullmatch(name):
            self._fail(at, "a name has up to 32 letters, digits, dots, dashes")
        for key, value in said.items():
            if key not in _OF_A_CONTEXT:
                self._fail([*at, key], f"no such setting; there are {', '.join(_OF_A_CONTEXT)}")
            if not isinstance(value, str) or not value:
                self._fail([*at, key], "expected text")
        if ("run_dir" in said) == ("control" in said):
            self._fail(at, "expected either run_dir, or control and token_file")
        if "run_dir" in said:
            if "token_file" in said:
                self._fail([*at, "token_file"], "a run directory has its own token")
            return Context(name, run_dir=self._file(said["run_dir"]))
        if "token_file" not in said:
            self._fail([*at, "control"], "token_file is missing: the file with this API's token")
        if problem := control_problem(said["control"]):
            self._fail([*at, "control"], problem)
        return Context(name, control=said["control"], token_file=self._file(said["token_file"]))

    def _file(self, said: str) -> Path:
        """A path as it was said, seen from the file."""
        return (self._path.parent / Path(said).expanduser()).absolute()

    def _fail(self, path: list[str], problem: str) -> NoReturn:
        line = line_of(self._lines, path)
        raise BadInput(f"{self._path} line {line}: {'.'.join(path)}: {problem}")


def control_problem(url: str) -> str:
    """What is wrong with the URL of a control API, empty when nothing is. A secret does not belong into it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "expected http://HOST:PORT"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "expected http://HOST:PORT and nothing secret: the token stands in a file"
    fits = parts.scheme == "http" and parts.hostname and port and parts.path in ("", "/")
    return "" if fits else "expected http://HOST:PORT"
