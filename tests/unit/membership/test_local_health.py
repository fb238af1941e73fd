from __future__ import annotations

from mesh_core.membership.local_health import LocalHealth


def test_a_healthy_node_keeps_its_pace() -> None:
    assert LocalHealth().stretch == 1


def test_health_stays_between_best_and_worst() -> None:
    health = LocalHealth()
    health.improve()
    assert health.stretch == 1
    for _ in range(20):
        health.worsen()
    assert health.stretch == 8
    health.improve()
    assert health.stretch == 7
