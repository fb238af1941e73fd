"""Printing: tables for people, JSON for programs. Text from the mesh comes out inert either way."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from whisper_tui.model.inert import inert, inert_json
from whisper_tui.model.views.base import cut, wrap

PIPE_WIDTH = 400
"""Columns of a table that is not read in a terminal: nothing is cut off."""


def print_json(value: object) -> None:
    """`value` as JSON, indented."""
    sys.stdout.write(inert_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """A table without lines; numbers to the right. `empty` is said when there are no rows."""
    if not rows:
        print_line(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float) or _is_number(str(row[index])) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="ellipsis", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(inert(cell)) for cell in row))
    console().print(table)


def print_line(text: str) -> None:
    """One line for people."""
    sys.stdout.write(text + "\n")


def print_text(line: str) -> None:
    """A line of prose: broken between words where a terminal shows it."""
    broken = wrap(line, shutil.get_terminal_size().columns) if sys.stdout.isatty() else [line]
    for piece in broken:
        print_line(piece)


def console() -> Console:
    """Standard output, as wide as the terminal."""
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def _is_number(text: str) -> bool:
    return text in {"", "–"} or text.replace(".", "", 1).lstrip("-").isdigit()


def axl(micro: int) -> str:
    """Micro-AXL as AXL."""
    return f"{micro / 1_000_000:.4f}"


def partition_line(sides: list[list[str]]) -> str:
    """The sides of a partition."""
    return "partition: " + " | ".join(" ".join(side) for side in sides)


def short(key: str) -> str:
    """The beginning of a key or hash, enough to tell it from others and to type it."""
    return key[:12]


SOON_S = 0.4
"""What is over by then need not be told of."""

EVERY_S = 5.0
"""How often progress is told where lines cannot be written over."""


class Progress:
    """How far something is, on standard error, once it takes longer than SOON_S: one line that is written over in a
    terminal, elsewhere a line now and then. For use in a running event loop."""

    def __enter__(self) -> Progress:
        self._said = ""
        self._shown = ""
        self._in_terminal = sys.stderr.isatty()
        self._appeared = False
        self._timer = asyncio.get_running_loop().call_later(SOON_S, self._appear)
        return self

    def say(self, text: str) -> None:
        """Have `text` shown instead of what was said before."""
        self._said = inert(text)
        if self._appeared and self._in_terminal:
            self._draw()

    def warn(self, line: str) -> None:
        """Print a line that stays on standard error."""
        self._wipe()
        self._print(inert(line))

    def tell(self, line: str) -> None:
        """Print a line that stays, in place of what is shown now."""
        self._wipe()
        print_line(line)
        sys.stdout.flush()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._wipe()

    def _appear(self) -> None:
        self._appeared = True
        if self._in_terminal:
            self._draw()
            return
        if self._said != self._shown:
            self._print(self._said)
            self._shown = self._said
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._appear)

    def _draw(self) -> None:
        said = cut(self._said, shutil.get_terminal_size().columns - 1)  # what wraps cannot be written over
        sys.stderr.write("\r" + said.ljust(len(self._shown)))
        sys.stderr.flush()
        self._shown = said

    def _print(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def _wipe(self) -> None:
        if self._in_terminal and self._shown:
            sys.stderr.write("\r" + " " * len(self._shown) + "\r")
            sys.stderr.flush()
            self._shown = ""
