"""The overview as text, for those who have no console: from the same view models that the console draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from whisper_tui.model.views import header, incidents, jobs, ledger, market, nodes
from whisper_tui.model.views.base import Frame, Line, Span, Table, fit_line, rule

WIDTH = 120
HZ = 4
"""As a console has them."""

ROWS_MAX = 40
"""Rows of each table."""

MARKET_ROWS = 12


def still(frame: Frame) -> list[str]:
    """What an operator would see, line by line."""
    return ["".join(span.text for span in line).rstrip() for line in _lines(frame)]


def _lines(frame: Frame) -> Iterator[Line]:
    yield header.header(frame, header.Running(HZ), WIDTH)
    yield rule("Nodes", WIDTH, frame.glyphs)
    yield from _rows(nodes.nodes_table(frame))
    yield rule("Questions and jobs", WIDTH, frame.glyphs)
    yield from _rows(jobs.jobs_table(frame, WIDTH))
    yield rule("Auctions and leases", WIDTH, frame.glyphs)
    yield from market.auction_lines(frame, MARKET_ROWS, WIDTH)
    yield from market.lease_lines(frame, MARKET_ROWS)
    yield rule(incidents.incident_title(frame), WIDTH, frame.glyphs)
    yield from incidents.incident_lines(frame)
    yield rule("Replicas: records missing", WIDTH, frame.glyphs)
    yield from ledger.matrix(frame, WIDTH)


def _rows(table: Table) -> Iterator[Line]:
    taken = sum(column.width + 1 for column in table.columns if not column.flex)
    widths = [WIDTH - taken - 1 if column.flex else column.width for column in table.columns]
    yield _row(table, widths, tuple((Span(column.title, "dim"),) for column in table.columns))
    for key in table.keys[:ROWS_MAX]:
        yield _row(table, widths, table.row(key))
    if not table.keys:
        yield (Span(f" {table.empty}"),)
    if len(table.keys) > ROWS_MAX:
        yield (Span(f" and {len(table.keys) - ROWS_MAX} more"),)


def _row(table: Table, widths: Sequence[int], row: Sequence[Line]) -> Line:
    """Cells in their columns; the last cell of a short row has all that is left."""
    line: Line = ()
    for at, (cell, column, width) in enumerate(zip(row, table.columns, widths, strict=False)):
        rest = sum(widths[at:]) + len(widths) - at - 1 if at + 1 == len(row) else width
        line += (Span(" "), *fit_line(cell, max(0, rest), column.align))
    return fit_line(line, WIDTH)
