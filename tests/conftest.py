"""For all tests: what they start finds its signals as a terminal would leave them. And their options."""

from __future__ import annotations

import gc
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


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Collect what is left once, and look at it no more: pytest would five times, which takes long in a worker that has
    run thousands of tests, and one that has not ended after 5 seconds is interrupted by execnet, wherever it is."""
    gc.collect()
    gc.freeze()
