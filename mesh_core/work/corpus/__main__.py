"""`python -m mesh_core.work.corpus build --source DIR --shards N --out DIR`: one line of JSON, or of error."""

from __future__ import annotations

import argparse
import signal
import sys
from collections import Counter
from pathlib import Path

import msgspec

from axl.lifeline import LifelineError, end_with_supervisor
from mesh_core.corpus_report import CorpusReport, LeftOut
from mesh_core.work.corpus.build import Built, build
from mesh_core.work.corpus.reading import Skipped
from mesh_core.work.errors import CorpusError

_REASONS_MAX = 20
"""Reasons that are told of; what the system says of a file is one, so that there may be many."""


def main(arguments: list[str] | None = None) -> int:
    """Build an index and describe it on stdout; exit code 1 and one line on stderr when that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m mesh_core.work.corpus")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser(
        "build", help="index the text files of a folder, unless that is done already"
    )
    command.add_argument(
        "--source", type=Path, required=True, help="folder of .txt .md .rst files, plain or .gz"
    )
    command.add_argument(
        "--shards", type=int, required=True, help="into how many parts the corpus is divided"
    )
    command.add_argument("--out", type=Path, required=True, help="folder the index is kept in")
    chosen = parser.parse_args(arguments)
    try:
        end_with_supervisor()
        built = build(chosen.source, chosen.shards, chosen.out)
    except (LifelineError, CorpusError) as error:
        sys.stderr.write(f"corpus: {error}\n")
        return 1
    sys.stdout.write(msgspec.json.encode(_report(built)).decode() + "\n")
    return 0


def _report(built: Built) -> CorpusReport:
    return CorpusReport(
        path=str(built.path),
        hash=built.hash,
        shards=built.shards,
        files=built.files,
        passages=built.passages,
        new=built.new,
        skipped=_by_reason(built.skipped),
    )


def _by_reason(skipped: list[Skipped]) -> list[LeftOut]:
    counts = Counter(reason for _, reason in skipped)
    examples = {reason: name for name, reason in reversed(skipped)}
    return [LeftOut(reason, count, examples[reason]) for reason, count in counts.most_common(_REASONS_MAX)]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leaves through `finally`: no half index stays
    sys.exit(main())
