"""Children that end with their supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

CHILD = """
import signal
from mesh_core.work.lifeline import end_with_parent
end_with_parent()
print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, flush=True)
{then}
"""


def child(then: str, **lifeline: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD.format(then=then)],
        env={**{k: v for k, v in os.environ.items() if k != "WHISPER_LIFELINE_FD"}, **lifeline},
        pass_fds=[int(descriptor) for descriptor in lifeline.values()],
        stdout=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> int:
    with process:
        return process.wait(timeout=20)


def test_the_end_of_the_lifeline_terminates_the_child() -> None:
    read_end, write_end = os.pipe()
    process = child("signal.pause()", WHISPER_LIFELINE_FD=str(read_end))
    os.close(read_end)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    assert process.poll() is None
    os.close(write_end)
    assert ended(process) == -signal.SIGTERM


def test_a_child_that_does_not_heed_sigterm_is_ended_all_the_same() -> None:
    read_end, write_end = os.pipe()
    os.close(write_end)
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
    process = child(stubborn, WHISPER_LIFELINE_FD=str(read_end))
    os.close(read_end)
    assert ended(process) in (1, -signal.SIGTERM)


def test_without_a_lifeline_nothing_changes() -> None:
    process = child("")
    assert process.stdout is not None
    assert process.stdout.readline() == "False\n"
    assert ended(process) == 0
