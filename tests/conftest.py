"""For all tests: what they start finds its signals as a terminal would leave them."""

from __future__ import annotations

import signal

# Whoever runs the tests in the background may ignore these, and children inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
