"""`--script`: from what was typed to what the runner wants."""

from __future__ import annotations

from collections.abc import Sequence

from whisper_tui.errors import BadInput
from whisper_tui.script.variables import NAME


def variables(given: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE of every `--var`; BadInput for anything else."""
    values = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not NAME.fullmatch(name):
            raise BadInput(f"--var {text}: expected NAME=VALUE")
        values[name] = value
    return values
