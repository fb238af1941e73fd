"""Small corpora for these tests."""

from __future__ import annotations

from pathlib import Path

from mesh_core.work.corpus.build import Built, build

TEXTS = {
    "bees.md": "# Bees\n\nA bee colony has one queen and thousands of workers. Workers gather nectar from flowers "
    "and turn it into honey by fanning it with their wings until most of the water is gone.",
    "rivers.txt": "A river carries sediment from mountains to the sea. Where it slows down, sediment settles and "
    "builds a delta, whose channels move from one place to another over the centuries.",
    "stars.rst": "Stars\n=====\n\nA star shines because hydrogen fuses into helium in its core. When the hydrogen "
    "is used up, the core contracts, the shell expands, and the star becomes a red giant.",
}


def corpus_of(folder: Path, texts: dict[str, str]) -> Path:
    """Write `texts`, by file name, into `folder`."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def built(folder: Path, texts: dict[str, str] = TEXTS, shards: int = 3) -> Built:
    """The index of `texts` under `folder`."""
    return build(corpus_of(folder / "texts", texts), shards, folder / "index")
