"""Scripts as somebody runs them from a shell, and what they leave behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.processes import belonging_to

WHISPER = [sys.executable, "-c", "from whisper_tui.cli import main; main()"]
PATIENCE_S = 150.0


@dataclass
class Scripts:
    """Runs `whisper-tui --script` with directories of its own."""

    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, script: str, *args: str, ci: bool = False) -> subprocess.Popen[str]:
        """Start a script: a name, or the text of one. With `ci` as CI does, where a model is demanded."""
        if "\n" in script:
            file = self.folder / "script.toml"
            file.write_text(script)
            script = str(file)
        environment = {**os.environ, "TMPDIR": str(self.folder)}
        environment.pop("CI", None)
        if ci:
            environment["CI"] = "true"
        process = subprocess.Popen(
            [*WHISPER, "--script", script, "--json", "-", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.started.append(process)
        return process

    def run(self, script: str, *args: str, ci: bool = False) -> tuple[int, dict[str, Any], str]:
        """Exit code, report and standard error of a script that runs to its end."""
        process = self.start(script, *args, ci=ci)
        out, errors = process.communicate(timeout=PATIENCE_S)
        return process.returncode, json.loads(out) if out else {}, errors

    def leftovers(self) -> list[str]:
        """Command lines of processes that belong to a mesh of one of these scripts."""
        return list(belonging_to(self.folder).values())

    def directories(self) -> list[Path]:
        return sorted(self.folder.glob("whisper-*"))

    def end(self) -> None:
        """End what still runs."""
        for process in self.started:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=30)
