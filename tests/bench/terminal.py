"""The console at the edge of a real terminal: how soon it is there, and how soon a key is answered over a slow link and
over ssh."""

from __future__ import annotations

import fcntl
import getpass
import os
import pty
import select
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.bench.figures import Figure, at_most, bench
from whisper_tui.terminal.link import ASK
from whisper_tui.terminal.picture import Picture

COLUMNS, ROWS = 120, 40
CONSOLE = (sys.executable, "-m", "tests.bench.busy_console")
KEYS = 24
SLICE_S = 0.01
WAIT_S = 30.0
HERE = Path(__file__).parents[2]


class Terminal:
    """The other end of a pseudo terminal, which takes `rate` bytes a second, all at once without."""

    def __init__(self, argv: Sequence[str], rate: int | None = None) -> None:
        self._picture = Picture(COLUMNS, ROWS)
        self._rate = rate
        self._rest = ""
        self.received = 0
        self.pid, self._end = pty.fork()
        if self.pid == 0:
            os.chdir(HERE)
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
            os.execvp(argv[0], list(argv))
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def until(self, text: str) -> float:
        """Read until it is on the screen; how long that took (s). RuntimeError when it never is."""
        began = time.monotonic()
        while text not in self.screen():
            if time.monotonic() - began > WAIT_S:
                raise RuntimeError(f"{text!r} never came:\n{self.screen()}")
            self.read()
        return time.monotonic() - began

    def read(self) -> None:
        """Take what the link carries in a moment, answer what is asked."""
        began = time.monotonic()
        if not select.select([self._end], [], [], SLICE_S)[0]:
            return
        size = 65_536 if self._rate is None else max(1, int(self._rate * SLICE_S))
        data = os.read(self._end, size).decode(errors="replace")
        if self._rate is not None:  # the link is taken for as long as these bytes need
            time.sleep(max(0.0, began + len(data.encode()) / self._rate - time.monotonic()))
        self.received += len(data.encode())
        self._rest += data
        whole, mark, self._rest = self._rest.rpartition(ASK)
        if not mark and "\x1b" not in self._rest[-12:]:
            whole, self._rest = self._rest, ""
        self._picture.feed(whole.replace(ASK, ""))
        os.write(self._end, b"\x1b[40;1R" * (whole + mark).count(ASK))

    def press(self, key: str) -> None:
        """Press a key."""
        os.write(self._end, key.encode())

    def screen(self) -> str:
        """What is shown."""
        return "\n".join("".join(char for char, _ in row).rstrip() for row in self._picture.cells())

    def close(self) -> None:
        """Hang up."""
        os.close(self._end)
        os.waitpid(self.pid, 0)


@contextmanager
def terminal(argv: Sequence[str], rate: int | None = None) -> Iterator[Terminal]:
    """A console in a terminal, hung up in the end."""
    opened = Terminal(argv, rate)
    try:
        yield opened
    finally:
        opened.close()


@bench("first-paint")
def first_paint() -> Iterator[Figure]:
    """From the start of the process to a screen that shows the mesh."""
    took = []
    for _ in range(5):
        with terminal(CONSOLE) as shown:
            took.append(shown.until("LIVE"))
    how = "median of 5 processes, from exec to the first whole screen at 120x40, imports included"
    yield at_most("console_first_paint_s", statistics.median(took), "s", 0.6, how)


@bench("slow-link")
def slow_link() -> Iterator[Figure]:
    """Keys and bytes over a pty whose reader takes 32 or 8 kB a second, the mesh being busy all the time."""
    for rate in (32_000, 8_000):
        with terminal(CONSOLE, rate) as shown:
            shown.until("LIVE")
            yield from _keys(
                shown, f"pty_{rate // 1000}kBps", f"pty, reader throttled to {rate:,} bytes a second"
            )


@bench("ssh", is_long=True)
def over_ssh() -> Iterator[Figure]:
    """The same over a real sshd on loopback, where OpenSSH is installed: SystemExit says so where it is not."""
    with _sshd() as way, terminal([*way, f"cd {HERE} && exec {' '.join(CONSOLE)}"]) as shown:
        shown.until("LIVE")
        yield from _keys(shown, "ssh", "OpenSSH on loopback, 2 frames a second")


def _keys(shown: Terminal, name: str, how: str) -> Iterator[Figure]:
    took, began, before = [], time.monotonic(), shown.received
    for number in range(KEYS):
        key, row = ("j", "›node2 ") if number % 2 == 0 else ("k", "›node1 ")
        pause = time.monotonic() + 0.25 + 0.03 * (number % 7)
        while time.monotonic() < pause:
            shown.read()
        shown.press(key)
        took.append(shown.until(row))
    spent = (shown.received - before) / (time.monotonic() - began) / 1024
    yield at_most(
        f"{name}_key_ms", statistics.median(took) * 1000, "ms", 100, f"{how}: median of {KEYS} keys"
    )
    yield at_most(f"{name}_kibps", spent, "KiB/s", 25, f"{how}: what the terminal was sent meanwhile")


@contextmanager
def _sshd() -> Iterator[list[str]]:
    """The start of a command line that leads to this machine through an sshd of its own."""
    program = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
    if program is None or shutil.which("ssh") is None:
        raise SystemExit("the bench `ssh` needs OpenSSH: apt-get install openssh-server openssh-client")
    with tempfile.TemporaryDirectory() as folder, socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
        chosen.close()
        place = Path(folder)
        for name in ("host", "own"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / name], check=True)
        shutil.copy(place / "own.pub", place / "authorized")
        options = {
            "Port": port,
            "ListenAddress": "127.0.0.1",
            "HostKey": place / "host",
            "AuthorizedKeysFile": place / "authorized",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PermitRootLogin": "yes",
        }
        with suppress(OSError):  # only root's sshd asks for it
            Path("/run/sshd").mkdir(exist_ok=True)
        server = subprocess.Popen(
            [program, "-D", "-f", "/dev/null", *(f"-o{k}={v}" for k, v in options.items())]
        )
        try:
            _until_it_listens(port)
            way = [
                "ssh",
                "-tt",
                "-q",
                "-p",
                str(port),
                "-i",
                str(place / "own"),
                "-oStrictHostKeyChecking=no",
            ]
            way += ["-oUserKnownHostsFile=/dev/null", f"{getpass.getuser()}@127.0.0.1"]
            yield [*way, "export TERM=xterm-256color COLORTERM=truecolor LANG=C.UTF-8;"]
        finally:
            server.terminate()
            server.wait()


def _until_it_listens(port: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while True:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline:
            raise RuntimeError("sshd does not listen")
        time.sleep(0.05)
