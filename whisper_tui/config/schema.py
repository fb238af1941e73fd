"""What a configuration file may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from whisper_tui.keymap import Bound
from whisper_tui.themes import THEMES

Value: TypeAlias = str | bool | int

HZ_MIN, HZ_MAX = 1, 20


@dataclass(frozen=True)
class Setting:
    """A setting, what it is about, and what it is when nobody says anything."""

    name: str
    meaning: str
    default: Value

    def problem(self, value: object) -> str:
        """What is wrong with a value of it, empty when nothing is."""
        if isinstance(self.default, bool):
            return "" if isinstance(value, bool) else "expected true or false"
        if isinstance(self.default, int):
            fits = isinstance(value, int) and not isinstance(value, bool) and HZ_MIN <= value <= HZ_MAX
            return "" if fits else f"expected a whole number from {HZ_MIN} to {HZ_MAX}"
        return "" if value in THEMES else f"expected one of {', '.join(THEMES)}"


SETTINGS = (
    Setting("theme", f"colours: {', '.join(THEMES)}", "default"),
    Setting("ascii", "draw without special characters", False),
    Setting("refresh_hz", "frames a second at most; 2 over SSH when nothing is said", 4),
    Setting("mouse", "clicks and the wheel go to the console", True),
    Setting("read_only", "begin read-only, also on a mesh that is started here", False),
)
"""The settings beside `[keys]` and `[contexts.NAME]`."""


class Context(Struct, frozen=True):
    """A mesh by name: the run directory of one on this machine, or a control API and the file with its token."""

    name: str
    run_dir: Path | None = None
    control: str = ""
    token_file: Path | None = None

    @property
    def where(self) -> str:
        """Where it is, in a word."""
        return self.control or str(self.run_dir)


class Configuration(Struct, frozen=True):
    """What a file says; `path` is None when there is none. `lines` tells where each setting stands."""

    path: Path | None = None
    values: Mapping[str, Value] = {}
    keys: Mapping[str, Bound] = {}
    contexts: tuple[Context, ...] = ()
    lines: Mapping[str, int] = {}

    def context(self, name: str) -> Context | None:
        """The context called so."""
        return next((context for context in self.contexts if context.name == name), None)
