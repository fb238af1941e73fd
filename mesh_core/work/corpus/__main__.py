"""`python -m mesh_core.work.corpus build --source DIR --shards N --out DIR`: one line of JSON, or of error."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

import msgspec

from axl.lifeline import LifelineError, end_with_supervisor
from mesh_core.api.reports import CorpusReport
from mesh_core.work.corpus.build import Built, build
from mesh_core.work.errors import CorpusError

_SKIPPED_SHOWN = 20


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
        skipped=[f"{name}: {reason}" for name, reason in built.skipped[:_SKIPPED_SHOWN]],
        skipped_total=len(built.skipped),
    )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leaves through `finally`: no half index stays
    sys.exit(main())
