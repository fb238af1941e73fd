"""A trace tells runs apart and reads like a story."""

from mesh_core.simulation.trace import Trace

NODE1, NODE2 = b"\x01" * 32, b"\x02" * 32


def story() -> Trace:
    """A trace that knows two names."""
    trace = Trace(telling=True)
    trace.name(NODE1, "node1")
    trace.name(NODE2, "node2")
    return trace


def test_what_several_report_within_a_moment_is_one_line() -> None:
    trace = story()
    for at, who in ((1.0, "node1"), (1.2, "node3"), (1.5, "node4"), (9.0, "node1")):
        trace.moment(at, who, "member_alive", {"peer": NODE2.hex(), "incarnation": 7})
    assert trace.lines() == [
        "   1.000  node1     node2 alive  [and node3 node4]",
        "   9.000  node1     node2 alive",
    ]


def test_what_befalls_two_hosts_stays_two_lines() -> None:
    trace = story()
    trace.tell(1.0, "node1", "crashes")
    trace.tell(1.1, "node2", "crashes")
    assert len(trace.lines()) == 2


def test_a_trace_that_is_not_told_keeps_only_its_hash() -> None:
    trace = Trace()
    before = trace.hexdigest()
    trace.tell(1.0, "node1", "crashes")
    trace.mix(1.0, 1, b"frame")
    assert trace.lines() == []
    assert trace.hexdigest() != before
