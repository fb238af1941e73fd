"""What is in force, and who says so: a flag before the environment, that before the file, that before what goes without
saying."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from whisper_tui.config.schema import SETTINGS, Configuration, Value
from whisper_tui.errors import BadInput
from whisper_tui.themes import MONO, THEMES

HZ_REMOTE = 2
"""Frames a second over SSH."""

DEFAULT = "default"


class Said(NamedTuple):
    """A value, and where it comes from."""

    value: Value
    origin: str


class Flags(NamedTuple):
    """What the command line says of these settings, and which file to read; None and False say nothing."""

    config: Path | None = None
    theme: str | None = None
    ascii: bool = False


NO_FLAGS = Flags()


def in_force(
    configuration: Configuration,
    flags: Flags = NO_FLAGS,
    environ: Mapping[str, str] = os.environ,
    encoding: str = "",
) -> dict[str, Said]:
    """Every setting by its name. `encoding` is the terminal's, standard error's when it is not given; BadInput for a theme
    that is none."""
    if flags.theme is not None and flags.theme not in THEMES:
        raise BadInput(f"--theme {flags.theme}: expected one of {', '.join(THEMES)}")
    said = {setting.name: Said(setting.default, DEFAULT) for setting in SETTINGS}
    if environ.get("SSH_CONNECTION"):
        said["refresh_hz"] = Said(HZ_REMOTE, "SSH_CONNECTION")
    for name, value in configuration.values.items():
        said[name] = Said(value, f"{configuration.path} line {configuration.lines.get(name, 1)}")
    if "NO_COLOR" in environ:
        said["theme"] = Said(MONO.name, "NO_COLOR")
    if "utf" not in (encoding or sys.stderr.encoding or "").lower():
        said["ascii"] = Said(True, "the terminal's encoding")
    if flags.theme is not None:
        said["theme"] = Said(flags.theme, "--theme")
    if flags.ascii:
        said["ascii"] = Said(True, "--ascii")
    return said
