"""Metrics are text that Prometheus reads, and count what happened."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from mesh_core.io.axl_transport import TransportCounters
from mesh_core.io.executions import ExecutionCounters
from mesh_core.io.group_commit import CommitCounters
from mesh_core.io.metrics import Meters, render
from mesh_core.simulation.world import OPERATOR, Setup, World


def samples() -> dict[tuple[str, tuple[str, ...]], float]:
    world = World(Setup("metrics", providers=2))
    world.start()
    world.run_for(2.0)
    node = world.hosts[OPERATOR].node
    assert node is not None
    node.context.dropped["bad_signature"] = 3
    transport: Any = SimpleNamespace(
        counters=TransportCounters(frames_in=5, frames_out=7),
        failures=Counter(axl_error=1),
        queued=lambda: (2, 40),
    )
    meters = Meters(
        node,
        SimpleNamespace(
            waiting=1, unwritten_bytes=9, frames_unread=3, bugs=Counter({'handling "Tick"': 2}), lag_max_s=0.5
        ),
        transport,
        SimpleNamespace(counters=CommitCounters(commits=4, batches=9)),
        FakeExecutions(),
        SimpleNamespace(subscribers=1),
    )
    families = text_string_to_metric_families(render(meters).decode())
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


class FakeExecutions:
    """Two running."""

    counters = ExecutionCounters(started=3, finished=1)

    def __len__(self) -> int:
        return 2


def test_they_say_what_was_counted() -> None:
    found = samples()
    assert found["whisper_frames_total", ("in",)] == 5
    assert found["whisper_frames_total", ("out",)] == 7
    assert found["whisper_send_failures_total", ("axl_error",)] == 1
    assert found["whisper_dropped_total", ("bad_signature",)] == 3
    assert found["whisper_store_commits_total", ()] == 4
    assert found["whisper_store_batches_total", ()] == 9
    assert found["whisper_members", ("alive",)] == 2
    assert found["whisper_executions_running", ()] == 2
    assert found["whisper_executions_ended_total", ("finished",)] == 1
    assert found["whisper_bugs_total", ('handling "Tick"',)] == 2
    assert found["whisper_lag_seconds_max", ()] == 0.5
    assert found["whisper_queue_bytes", ()] == 40
    assert found["whisper_probe_timeout_seconds", ()] == 0.1
