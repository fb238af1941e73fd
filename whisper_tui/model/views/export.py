"""What is shown, as a file: tables as JSON, pages as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from whisper_tui.model.views.arrange import Arrangement, told
from whisper_tui.model.views.base import Lines, Table


class Export(NamedTuple):
    """A file to be: what it is called after, how its name ends, and what it says."""

    name: str
    suffix: str
    text: str


def table_export(name: str, table: Table, arrangement: Arrangement, at_ms: float) -> Export:
    """The rows that are shown, in their order, with what each stands for as `id`."""
    content = {
        "view": name,
        "at": datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "filter": arrangement.pattern,
        "sorted_by": arrangement.sorted_by,
        "descending": arrangement.descending,
        "rows_without_filter": arrangement.total,
        "rows": [{"id": key, **told(table, key)} for key in table.keys],
    }
    text = msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
    return Export(name, "json", f"{text}\n")


def lines_export(name: str, lines: Lines) -> Export:
    """Lines as text."""
    told_lines = ("".join(span.text for span in line).rstrip() for line in lines)
    return Export(name, "txt", "\n".join(told_lines) + "\n")
