"""The counters of a participant as Prometheus text.

Imported when somebody asks for the first time: prometheus_client costs 13 ms and 1.4 MB that most never need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mesh_core.api.hub import EventHub
from mesh_core.io.axl_transport import AxlTransport
from mesh_core.io.executions import Executions
from mesh_core.io.runtime import Runtime
from mesh_core.io.store import Store
from mesh_core.node import Node


@dataclass(frozen=True, slots=True)
class Meters:
    """Everything that counts in one participant."""

    node: Node
    runtime: Runtime
    transport: AxlTransport
    store: Store
    executions: Executions
    hub: EventHub


def render(meters: Meters) -> bytes:
    """All metrics, as they stand now."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Reading(meters))
    return generate_latest(registry)


class _Reading(Collector):
    def __init__(self, meters: Meters) -> None:
        self._meters = meters

    def collect(self) -> Iterator[Metric]:
        """Every family once."""
        yield from self._transport()
        yield from self._store()
        yield from self._node()
        yield from self._process()

    def _transport(self) -> Iterator[Metric]:
        transport = self._meters.transport
        counters = transport.counters
        frames = {"in": counters.frames_in, "out": counters.frames_out}
        yield _counters("frames", "Frames by direction.", "direction", frames)
        sizes = {"in": counters.bytes_in, "out": counters.bytes_out}
        yield _counters("frame_bytes", "Bytes of frames by direction.", "direction", sizes)
        yield _counter("messages_sent", "Messages in the frames sent.", counters.messages_out)
        yield _counters("send_failures", "Frames AXL did not deliver, by cause.", "cause", transport.failures)
        yield _counter(
            "messages_dropped", "Messages dropped because a queue was full.", counters.messages_dropped
        )
        messages, size = transport.queued()
        yield _gauge("queue_messages", "Messages that wait for their frame.", messages)
        yield _gauge("queue_bytes", "Bytes of messages that wait for their frame.", size)

    def _store(self) -> Iterator[Metric]:
        counters = self._meters.store.counters
        yield _counter("store_commits", "Commits, each fsynced.", counters.commits)
        yield _counter(
            "store_batches", "Batches committed; divided by commits: the size of a group.", counters.batches
        )
        yield _counter("store_writes", "Rows written.", counters.writes)
        yield _counter(
            "store_refusals", "Commits the disk refused and that were tried again.", counters.refused
        )
        yield _gauge("store_group_max", "Most batches in one commit.", counters.largest_group)
        runtime = self._meters.runtime
        yield _gauge("effects_waiting", "Effects that wait for the disk.", runtime.waiting)
        yield _gauge("unwritten_bytes", "What waits to be written.", runtime.unwritten_bytes)
        yield _counter(
            "frames_unread", "Frames lost because the node stood still over its disk.", runtime.frames_unread
        )

    def _node(self) -> Iterator[Metric]:
        node = self._meters.node
        dropped = node.context.dropped + node.membership.rejected
        yield _counters("dropped", "Frames, messages and statements dropped, by cause.", "cause", dropped)
        members = Counter(member.state for member in node.membership.members.values())
        yield _gauges("members", "Other members by state.", "state", members)
        jobs = Counter(job.state for job in node.ledger.jobs.values())
        yield _gauges("jobs", "Jobs by state.", "state", jobs)
        timeout_s = node.membership.probe_timeout_s
        yield _gauge(
            "probe_timeout_seconds", "p99 of recent round trips of probes, within bounds.", timeout_s
        )
        yield _gauge("records", "Records in the ledger.", len(node.ledger.chains))

    def _process(self) -> Iterator[Metric]:
        executions, runtime = self._meters.executions, self._meters.runtime
        counters = executions.counters
        ended = {"finished": counters.finished, "failed": counters.failed, "stopped": counters.stopped}
        yield _counter("executions_started", "Executions started.", counters.started)
        yield _counters("executions_ended", "Executions ended, by how.", "how", ended)
        yield _gauge("executions_running", "Executions running.", len(executions))
        yield _gauge(
            "lag_seconds_max", "Longest time the process did not run when it should have.", runtime.lag_max_s
        )
        yield _counters("bugs", "Unexpected exceptions, by place.", "place", runtime.bugs)
        yield _gauge("event_subscribers", "Open event streams.", self._meters.hub.subscribers)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"whisper_{name}", text, value=value)


def _counters(name: str, text: str, label: str, values: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(f"whisper_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"whisper_{name}", text, value=value)


def _gauges(name: str, text: str, label: str, values: Mapping[Any, int]) -> Metric:
    family = GaugeMetricFamily(f"whisper_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
