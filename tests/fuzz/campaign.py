"""One target for a while: a process that fuzzes, and what its reports come to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.target import Target

STARTING_S = 300
"""What loading, instrumenting and a last input may take on top of the time to fuzz, on a machine that is busy."""

INPUT_TIMEOUT_S = 20
MEMORY_MB = 2048
LINES_SHOWN = 30
_STATUS = re.compile(r"^#(\d+)\t(\w+) .*?cov: (\d+) ft: (\d+) corp: (\d+)", re.MULTILINE)
_RATE = re.compile(r"exec/s: (\d+)")
_CRASH = re.compile(r"Test unit written to (\S+)")


@dataclass(frozen=True)
class Outcome:
    """What came of it: a line, and where there was a crash what repeats it and the end of what was printed."""

    text: str
    passed: bool


def fuzz(target: Target, seconds: int, corpora: Path) -> Outcome:
    """Fuzz `target`, beginning with its seeds and what `corpora` holds of earlier times."""
    corpus, found = corpora / target.name / "corpus", corpora / target.name / "crashes"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="whisper-fuzz-") as scratch:
        report = Path(scratch) / "report"
        command = [
            *(sys.executable, "-m", "tests.fuzz.worker", target.name, str(corpus)),
            *(f"-max_total_time={seconds}", f"-artifact_prefix={found}/", f"-timeout={INPUT_TIMEOUT_S}"),
            *(
                f"-rss_limit_mb={MEMORY_MB}",
                "-print_final_stats=1",
                "-max_len=65536",
                "-len_control=0",
                "-handle_usr1=0",
            ),
        ]
        with (
            report.open("wb") as out,
            subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "TMPDIR": scratch}
            ) as process,
        ):
            code = _ended(process, seconds + STARTING_S)
        printed = report.read_text(errors="replace")
    return _judged(target, printed, code)


def _ended(process: subprocess.Popen[bytes], seconds: float) -> int:
    """The exit code; one that does not end says where it is, and is killed."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGUSR1)
    try:
        return process.wait(1)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _judged(target: Target, printed: str, code: int) -> Outcome:
    states = [
        (int(count), word, int(cov), int(corp)) for count, word, cov, _, corp in _STATUS.findall(printed)
    ]
    if not states:
        return Outcome(f"{target.name}: did not start\n{_end(printed)}", False)
    first = next((state for state in states if state[1] == "INITED"), states[0])
    last = states[-1]
    rates = _RATE.findall(printed)
    line = (
        f"{target.name:<14} {last[0]:>8,} executions, {int(rates[-1]) if rates else 0:>5}/s, "
        f"coverage {first[2]} → {last[2]}, corpus {last[3]}"
    )
    crash = _CRASH.search(printed)
    if crash is None and code == 0:
        return Outcome(f"{line}, nothing wrong", True)
    if crash is None:
        return Outcome(f"{line}, ended with {code}\n{_end(printed)}", False)
    again = f"{Path(sys.executable).name} -m tests.fuzz {target.name} --input {crash[1]}"
    return Outcome(f"{line}, FOUND {Path(crash[1]).name}\n{_end(printed)}\n  again: {again}", False)


def _end(printed: str) -> str:
    """The last lines that are not libFuzzer's own dump."""
    lines = [
        line for line in printed.splitlines() if not re.match(r"#\d|0x|Base64|MS:|stat::|artifact_", line)
    ]
    return "\n".join(f"    {line[:200]}" for line in lines[-LINES_SHOWN:])
