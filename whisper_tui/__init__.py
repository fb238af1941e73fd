"""The operator's side: supervisor, console, headless scripts."""

__version__ = "0.1.0"
