"""What contracts have told, looked up by contract, topics and blocks (`eth_getLogs`)."""

from __future__ import annotations

from typing import Any

from eth_bloom import BloomFilter

from mesh_core.chain.local.chain import LocalChain
from mesh_core.chain.local.shown import logs_shown
from mesh_core.chain.local.words import WordError, read_address, read_data

BLOCKS_MAX = 5_000
LOGS_MAX = 10_000
_CHOICES_MAX = 64
_TOPICS_MAX = 4


class TooMany(Exception):
    """More is asked for than is answered at once; the message is one line."""


def find_logs(chain: LocalChain, wanted: dict[str, Any], first: int, last: int) -> list[dict[str, Any]]:
    """Logs of blocks `first` to `last` that are as `wanted`, in order. Raises WordError, TooMany."""
    if last - first >= BLOCKS_MAX:
        raise TooMany(f"at most {BLOCKS_MAX} blocks are looked through at once")
    contracts = _choices(wanted.get("address"), lambda word: read_address(word, "address"))
    topics = [_choices(one, lambda word: read_data(word, "topic", 32)) for one in _list(wanted.get("topics"))]
    found: list[dict[str, Any]] = []
    for number in range(first, last + 1):
        header = chain.header(number)
        bloom = BloomFilter(header.bloom)
        if not all(not choice or any(one in bloom for one in choice) for choice in (contracts, *topics)):
            continue
        for mined in chain.receipts(header):
            found += [
                told
                for log, told in zip(mined.receipt.logs, logs_shown(mined), strict=True)
                if _matches(log.address, log.topics, contracts, topics)
            ]
        if len(found) > LOGS_MAX:
            raise TooMany(f"more than {LOGS_MAX} logs: ask for fewer blocks")
    return found


def _matches(contract: bytes, told: Any, contracts: list[bytes], topics: list[list[bytes]]) -> bool:
    if contracts and contract not in contracts:
        return False
    if len(topics) > len(told):
        return False
    return all(
        not choice or one.to_bytes(32, "big") in choice for choice, one in zip(topics, told, strict=False)
    )


def _choices(word: Any, read: Any) -> list[bytes]:
    """Any of these, all when there are none."""
    if word is None:
        return []
    words = word if isinstance(word, list) else [word]
    if len(words) > _CHOICES_MAX:
        raise WordError(f"filter: at most {_CHOICES_MAX} choices")
    return [read(one) for one in words]


def _list(word: Any) -> list[Any]:
    if word is None:
        return []
    if not isinstance(word, list) or len(word) > _TOPICS_MAX:
        raise WordError(f"topics: expected a list of at most {_TOPICS_MAX}")
    return word
