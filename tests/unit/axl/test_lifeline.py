"""Children that end with their supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from axl.lifeline import LIFELINE_VARIABLE, LifelineError, end_with_supervisor, lifeline

CHILD = """
import signal
from axl.lifeline import end_with_supervisor
end_with_supervisor()
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


def test_a_lifeline_that_somebody_else_made_not_to_wait_is_waited_for_all_the_same() -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    process = child("signal.pause()", WHISPER_LIFELINE_FD=str(read_end))
    os.close(read_end)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
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


@pytest.mark.parametrize("value", ["", "none", "-1", "987654", "9" * 100])
def test_a_lifeline_that_is_none_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(LIFELINE_VARIABLE, value)
    for look in (lifeline, end_with_supervisor):
        with pytest.raises(LifelineError, match="is not an open file descriptor") as caught:
            look()
        assert "\n" not in str(caught.value)


def test_a_program_that_is_told_of_a_lifeline_that_is_none_ends_with_that_line() -> None:
    for program in (
        ["mesh_core.work.corpus", "build", "--source", ".", "--shards", "1", "--out", "."],
        ["mesh_core.work.model_server"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *program],
            env={**os.environ, LIFELINE_VARIABLE: "none"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (1, 2)
        assert done.stderr.endswith("WHISPER_LIFELINE_FD='none' is not an open file descriptor\n")
        assert done.stderr.count("\n") == 1
