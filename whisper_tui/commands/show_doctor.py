"""`doctor`, printed."""

from __future__ import annotations

from whisper_tui.commands.output import print_json, print_line
from whisper_tui.doctor import examine
from whisper_tui.model.inert import inert
from whisper_tui.supervisor.rundir import RunDir

SIGNS = {"ok": "ok  ", "note": "note", "bad": "BAD "}


def show(run: RunDir, as_json: bool) -> int:
    """Say what was found; 1 when something keeps a mesh from working."""
    findings = examine(run)
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            print_line(f"{SIGNS[finding.verdict]} {finding.name:<18} {inert(finding.text)}")
            for line in finding.todo.splitlines():
                print_line(f"{'':<24}{inert(line)}")
    return 1 if any(finding.verdict == "bad" for finding in findings) else 0
