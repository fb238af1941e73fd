"""For all tests: what they start finds its signals as a terminal would leave them. And their options."""

from __future__ import annotations

import signal

import pytest

# Whoever runs the tests in the background may ignore these, and children inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--storm", type=float, metavar="MINUTES", help="how long tests/e2e/test_storm.py storms")
    parser.addoption(
        "--storm-seed", type=int, metavar="N", help="what happens in it; else random, and printed"
    )
