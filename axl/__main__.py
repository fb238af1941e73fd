"""`python -m axl [-config node-config.json] [-listen tls://host:port]`: the Go node's flags."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from axl import config as configuration
from axl import keys
from axl.config import ConfigError, NodeConfig
from axl.endpoint import EndpointError, parse_endpoint
from axl.keys import KeyFileError, PrivateKey
from axl.listener import ListenError
from axl.logs import log_to_stderr
from axl.node import Node

LIFELINE_VARIABLE = "WHISPER_LIFELINE_FD"
"""Names the read end of a pipe whose write end only the supervisor holds: its end means that nobody is left."""
EXIT_REFUSED = 2


class UsageError(Exception):
    """The command line or environment makes no sense; the message is one line."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; usage: {self.format_usage().removeprefix('usage: ').strip()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a node until it is told to stop. Returns the exit code."""
    try:
        config, key = _configured(arguments)
        lifeline = _lifeline()
        log_to_stderr()
        asyncio.run(_run(config, key, lifeline))
    except (UsageError, ConfigError, KeyFileError, EndpointError, ListenError) as error:
        print(f"axl: {error}", file=sys.stderr)  # noqa: T201 - the user's one line
        return EXIT_REFUSED
    return 0


def _configured(arguments: Sequence[str] | None) -> tuple[NodeConfig, PrivateKey]:
    parser = _Parser(prog="axl", description="An AXL node.", allow_abbrev=False)
    parser.add_argument("-config", "--config", default=configuration.DEFAULT_PATH, metavar="FILE")
    parser.add_argument(
        "-listen", "--listen", metavar="tls://HOST:PORT", help="instead of Listen in the file"
    )
    options = parser.parse_args(arguments)
    config = configuration.load(options.config)
    if options.listen:
        config = replace(config, listen=(parse_endpoint(options.listen),))
    key = keys.load(config.private_key_path) if config.private_key_path else keys.generate()
    return config, key


def _lifeline() -> int | None:
    value = os.environ.get(LIFELINE_VARIABLE)
    if value is None:
        return None
    try:
        descriptor = int(value)
        os.fstat(descriptor)
    except (ValueError, OSError):
        raise UsageError(f"{LIFELINE_VARIABLE}={value[:40]!r} is not an open file descriptor") from None
    return descriptor


async def _run(config: NodeConfig, key: PrivateKey, lifeline: int | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # With a lifeline Ctrl-C is the supervisor's business: it decides whether the mesh stays.
    loop.add_signal_handler(signal.SIGINT, stop.set if lifeline is None else lambda: None)
    if lifeline is not None:
        loop.add_reader(lifeline, _read_lifeline, lifeline, stop)
    node = Node(config, key)
    try:
        await node.serve()
        await stop.wait()
    finally:
        node.close()


def _read_lifeline(descriptor: int, stop: asyncio.Event) -> None:
    if not os.read(descriptor, 64):
        stop.set()


if __name__ == "__main__":
    sys.exit(main())
