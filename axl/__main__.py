"""`python -m axl [-config node-config.json] [-listen tls://host:port]`: the Go node's flags."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace

import uvloop

from axl import config as configuration
from axl import keys
from axl.config import ConfigError, NodeConfig
from axl.endpoint import EndpointError, parse_endpoint
from axl.keys import KeyFileError, PrivateKey
from axl.lifeline import LifelineError, lifeline
from axl.listener import ListenError
from axl.logs import log_to_stderr
from axl.node import Node
from axl.program import EXIT_REFUSED, Parser, UsageError, heed_signals, refuse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a node until it is told to stop. Returns the exit code."""
    try:
        config, key = _configured(arguments)
        descriptor = lifeline()
        log_to_stderr()
        uvloop.run(_run(config, key, descriptor))
    except (UsageError, LifelineError, ConfigError, KeyFileError, EndpointError, ListenError) as error:
        return refuse("axl", EXIT_REFUSED, error)
    return 0


def _configured(arguments: Sequence[str] | None) -> tuple[NodeConfig, PrivateKey]:
    parser = Parser(prog="axl", description="An AXL node.", allow_abbrev=False)
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


async def _run(config: NodeConfig, key: PrivateKey, descriptor: int | None) -> None:
    stop = asyncio.Event()
    heed_signals(stop, descriptor)
    node = Node(config, key)
    try:
        await node.serve()
        await stop.wait()
    finally:
        node.close()


if __name__ == "__main__":
    sys.exit(main())
