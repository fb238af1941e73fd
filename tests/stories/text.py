"""The text of a story: blocks of commands and what they show, as in etcd/raft's datadriven tests.

One or more command lines, `----`, then what they show, then an empty line. Lines that begin with `#` are for the
reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

RULE = "----"


@dataclass(slots=True)
class Block:
    """Lines for the reader, command lines, and what the commands show."""

    comments: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The block as it stands in the file."""
        told = [RULE, *self.shown] if self.commands else []
        return "\n".join([*self.comments, *self.commands, *told])


def parse(text: str) -> list[Block]:
    """The blocks of a story; what they show may be missing in one that is being written."""
    blocks: list[Block] = []
    for paragraph in re.split(r"\n{2,}", text.strip("\n")):
        lines = paragraph.split("\n")
        block = Block()
        while lines and lines[0].startswith("#"):
            block.comments.append(lines.pop(0))
        cut = lines.index(RULE) if RULE in lines else len(lines)
        block.commands, block.shown = lines[:cut], lines[cut + 1 :]
        blocks.append(block)
    return blocks


def unparse(blocks: list[Block]) -> str:
    """The story as a file."""
    return "\n\n".join(block.text() for block in blocks) + "\n"
