"""`python -m whisper_tui.supervisor --run-dir DIR`: started by `whisper-tui up`, which prepares the directory.

Prints one JSON line (pid, port) on stdout once it listens; everything later goes to stderr, a log file.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from mesh_core.api.http import Server
from whisper_tui.errors import MeshUnreachable, UserError
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor.api import Api
from whisper_tui.supervisor.rundir import RunDir, SupervisorFile, lock_for_good
from whisper_tui.supervisor.supervisor import Supervisor


def main() -> int:
    """Run one mesh until it is taken down; exit code 0, or the one of the error said on stderr."""
    parser = argparse.ArgumentParser(prog="python -m whisper_tui.supervisor")
    parser.add_argument("--run-dir", type=Path, required=True)
    run = RunDir(parser.parse_args().run_dir)
    os.umask(0o077)  # logs and stores of all children are the user's own
    if os.fork():
        os._exit(0)  # nobody's child from here on: whoever started it need not wait for it
    try:
        lock_for_good(run.lock_file)  # only one that is just ending may still hold it
        asyncio.run(_supervise(run))
    except BrokenPipeError:
        return MeshUnreachable.exit_code  # whoever wanted this mesh has gone before it was there
    except UserError as error:
        sys.stderr.write(f"{error.message}\n")
        return error.exit_code
    return 0


async def _supervise(run: RunDir) -> None:
    run.check()
    plan = plans.load(run.plan)
    if plan is None:
        raise MeshUnreachable(f"{run.plan} is missing")
    read_end, write_end = os.pipe()  # the write end stays here: its end is the end of every child
    supervisor = Supervisor(run, plan, read_end, os.environ)
    server = Server(Api(supervisor), run.token())
    try:
        supervisor.start()
        await server.start("127.0.0.1", 0)
        _greet(run, server.port)
        _end_on_signals(supervisor)
        await supervisor.done.wait()
    finally:
        await server.close()
        run.supervisor_file.unlink(missing_ok=True)
        os.close(write_end)


def _greet(run: RunDir, port: int) -> None:
    greeting = msgspec.json.encode(SupervisorFile(os.getpid(), port, time.time() * 1000)) + b"\n"
    plans.replace(run.supervisor_file, greeting)
    os.write(1, greeting)
    os.dup2(2, 1)


def _end_on_signals(supervisor: Supervisor) -> None:
    loop = asyncio.get_running_loop()
    ends: set[asyncio.Task[object]] = set()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: ends.add(asyncio.create_task(supervisor.down(by="signal"))))
    # A terminal that hangs up is not the end of a mesh. Not SIG_IGN: children would inherit it.
    loop.add_signal_handler(signal.SIGHUP, lambda: None)


if __name__ == "__main__":
    sys.exit(main())
