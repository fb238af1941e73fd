"""The process that fuzzes: `python -m tests.fuzz.worker TARGET CORPUS [LIBFUZZER OPTIONS]`."""

from __future__ import annotations

import faulthandler
import hashlib
import signal
import sys
from pathlib import Path
from random import Random

import atheris

OURS = ["mesh_core", "axl", "whisper_tui", "h11"]
"""What coverage is counted of."""

RAW = 0.1
"""How often libFuzzer's own mutations are used: they know the values that were compared with."""


def main() -> None:
    """Fuzz until the time is over or something is found."""
    faulthandler.register(signal.SIGUSR1)
    name, corpus, *options = sys.argv[1:]
    with atheris.instrument_imports(include=OURS, enable_loader_override=False):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    for seed in target.seeds():
        (Path(corpus) / f"seed-{hashlib.sha256(seed).hexdigest()[:16]}").write_bytes(seed)

    def mutated(data: bytes, size_max: int, seed: int) -> bytes:
        random = Random(seed)
        changed = atheris.Mutate(data, size_max) if random.random() < RAW else target.mutated(data, random)
        return changed[:size_max]

    atheris.Setup([sys.argv[0], corpus, *options], target.run, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
