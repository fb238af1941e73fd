"""Everything about one job or one node, to be scrolled through."""

from __future__ import annotations

from collections.abc import Iterable

from mesh_core.api.schema import JobView, QueryView
from whisper_tui.model.impact import seat_weight, tolerance
from whisper_tui.model.inert import inert, inert_lines
from whisper_tui.model.selectors import Node, is_stalled, jobs_held, name_of, node_of
from whisper_tui.model.state import State
from whisper_tui.model.views import jobs as job_views
from whisper_tui.model.views import nodes as node_views
from whisper_tui.model.views.base import Frame, Line, Lines, Role, Span, axl, fit, rule, seconds, wrap
from whisper_tui.model.views.events import clock

INDENT = Span("  ")


def job_title(frame: Frame, job_id: str) -> str:
    """`q1.4`, or that it is not known."""
    entry = frame.state.jobs.get(job_id)
    return f"Job {inert(entry.view.label, 40)}" if entry else "Job"


def job_detail(frame: Frame, job_id: str, width: int) -> Lines:
    """State, attempts, committee and what it tolerates, bids, the answer and its passages."""
    entry = frame.state.jobs.get(job_id)
    if entry is None:
        return ((Span("  this job is not known any more", "dim"),),)
    job = entry.view
    query = frame.state.queries.get(job.query)
    return (
        *_summary(frame, job),
        *_section("Attempts", _attempts(frame, job), width, frame),
        *_section("Committee", _committee(frame, job, width), width, frame),
        *_section("Bids", _bids(frame, job), width, frame),
        *_section("Answer of this job", _answer(job, width), width, frame),
        *(_section("Question", _question(frame, query.view, width), width, frame) if query else ()),
    )


def _section(title: str, body: Iterable[Line], width: int, frame: Frame) -> list[Line]:
    lines = list(body)
    return [(), rule(title, width, frame.glyphs), *lines] if lines else []


def _field(name: str, *value: Span) -> Line:
    return (INDENT, Span(f"{name:<12}", "dim"), *value)


def _summary(frame: Frame, job: JobView) -> list[Line]:
    shard = f" over shard {job.shard}" if job.shard is not None else ""
    axis = job_views.axis_of(frame, [job])
    bar = job_views.waterfall(frame, job, axis, 40)
    lines = [
        _field(
            "state",
            *job_views.state_of(frame.state, job, frame.glyphs),
            Span(f"  {inert(job.reason, 120)}", "warn"),
        ),
        _field("work", Span(f"{inert(job.kind, 20)}{shard}")),
        _field("timeline", *bar, Span(f"  of {axis[1] / 1000:.0f}s", "dim")),
        _field(
            "price", Span(f"{axl(job.price_micro)} AXL"), Span(f"  at most {axl(job.max_price_micro)}", "dim")
        ),
        _field("key", Span(f"sealed, {job.threshold} of {max(0, len(job.committee) - 1)} shares open it")),
        _field("id", Span(job.job[:64] if job.job.isalnum() else inert(job.job, 64), "dim")),
    ]
    return lines


def _attempts(frame: Frame, job: JobView) -> list[Line]:
    return [_attempt(frame, job, index) for index in range(len(job.attempts))]


def _attempt(frame: Frame, job: JobView, index: int) -> Line:
    attempt = job.attempts[index]
    roles: dict[str, Role] = {
        "running": "running",
        "settled": "settled",
        "adopted": "settled",
        "lost": "dead",
    }
    began = seconds(attempt.leased_ms - job.submitted_ms, signed=True)
    lasted = seconds(
        job_views.attempt_end_ms(job, index, frame.now_ms) - (attempt.started_ms or attempt.leased_ms)
    )
    return (
        INDENT,
        Span(f"epoch {attempt.epoch:<3}", "strong"),
        Span(fit(inert(name_of(frame.state, attempt.holder), 20), 11)),
        Span(f"{fit(inert(attempt.outcome, 20), 9)} ", roles.get(attempt.outcome, "warn")),
        Span(
            f"leased {began:>8}  for {lasted:>6}  {attempt.tokens or frame.glyphs.nothing:>5} tokens  ", "dim"
        ),
        Span(inert(attempt.note, 80), "dim"),
    )


def _committee(frame: Frame, job: JobView, width: int) -> list[Line]:
    glyphs, state = frame.glyphs, frame.state
    votes = frozenset(job.votes)
    spans: list[list[Span]] = [[INDENT]]
    used = 2
    for peer in job.committee:
        node = node_of(state, peer)
        (word,) = node_views.state_of(state, node, glyphs)
        voted = glyphs.settled if peer in votes else " "
        weight = seat_weight(job, peer)
        text = f"{word.text[0]} {inert(node.name, 20)}{f' x{weight}' if weight != 1 else ''} "
        if used + len(text) + 3 > width:
            spans.append([INDENT])
            used = 2
        spans[-1] += [
            Span(text, word.role if word.role != "alive" else "text"),
            Span(f"{voted}  ", "settled"),
        ]
        used += len(text) + 3
    return [
        *(tuple(line) for line in spans),
        _field(
            "quorum", Span(f"{job.quorum} of {job.weight} votes"), Span(f"  {_tolerates(state, job)}", "dim")
        ),
        _field("certificate", Span(_certificate(job, glyphs.settled))),
    ]


def _tolerates(state: State, job: JobView) -> str:
    spare = tolerance(state, job)
    lies = "nobody in it may lie" if job.fault_bound == 0 else f"votes of weight {job.fault_bound} may lie"
    if is_stalled(job) or spare < 0:
        return f"stalled: needs {max(1, -spare)} more to come back; {lies}"
    return f"{spare} more may die; {lies}"


def _certificate(job: JobView, sign: str) -> str:
    return f"{sign} {len(job.votes)} votes" if job.votes else "none yet"


def _bids(frame: Frame, job: JobView) -> list[Line]:
    lines: list[Line] = []
    for bid in sorted(job.auction.bids, key=lambda bid: (bool(bid.refused), bid.rank)):
        name = fit(inert(name_of(frame.state, bid.peer), 20), 11)
        if bid.refused:
            lines.append(
                (INDENT, Span(f"{frame.glyphs.dead}  {name}", "dim"), Span(inert(bid.refused, 80), "warn"))
            )
            continue
        parts = "  ".join(f"{inert(part, 16)} {value:.3f}" for part, value in bid.parts.items())
        lines.append(
            (
                INDENT,
                Span(f"{bid.rank:<3}{name}", "accent" if bid.rank == 1 else "text"),
                Span(f"{axl(bid.price_micro)} AXL   score {bid.score:.3f} "),
                Span(f"= {parts}  load {bid.load:.1f}  expects {bid.expected_ms} ms", "dim"),
            )
        )
    return lines


def _answer(job: JobView, width: int) -> list[Line]:
    return [] if not job.text else list(_paragraphs(job.text, width))


def _question(frame: Frame, query: QueryView, width: int) -> list[Line]:
    lines: list[Line] = [*_paragraphs(query.text, width)]
    answer = query.answer
    if answer is None:
        lines.append(_field("answer", Span(f"{query.settled} of {query.total} parts settled", "dim")))
        return lines
    lines += [(), *_paragraphs(answer.text, width, "strong")]
    lines.append(_field("made by", Span(inert(answer.backend, 80))))
    for note in answer.notes:
        lines.append(_field("note", Span(inert(note, 200), "warn")))
    for passage in answer.passages:
        source = f"{inert(passage.source, 60)}, shard {passage.shard}"
        lines += [(), (INDENT, Span(f"{frame.glyphs.settled} ", "settled"), Span(source, "accent"))]
        lines += _paragraphs(passage.text, width, "dim")
    return lines


def _paragraphs(text: str, width: int, role: Role = "text") -> list[Line]:
    return [
        (INDENT, Span(piece, role)) for line in inert_lines(text) for piece in wrap(line, max(10, width - 4))
    ]


# ------------------------------------------------------------------------------------------------ nodes


def node_title(frame: Frame, peer: str) -> str:
    """`Node node4`."""
    return f"Node {inert(node_of(frame.state, peer).name, 40)}"


def node_detail(frame: Frame, peer: str, width: int) -> Lines:
    """What it says of itself, how every observer sees it, and what it holds."""
    state = frame.state
    node = node_of(state, peer)
    return (
        *_node_summary(frame, node),
        *_section("Seen by", _sights(frame, peer), width, frame),
        *_section("Holds", _holdings(frame, peer), width, frame),
    )


def _node_summary(frame: Frame, node: Node) -> list[Line]:
    state, member = frame.state, node.member
    observer = state.observers.get(node.peer)
    own = observer.node if observer else None
    processes = [process for process in (node.provider, node.axl) if process]
    told = "  ".join(f"{process.part} {process.state} (pid {process.pid})" for process in processes)
    lines = [
        _field("state", *node_views.state_of(state, node, frame.glyphs)),
        _field("processes", Span(inert(told, 200) or "not started from here")),
        _field("peer id", Span(inert(node.peer, 64), "dim")),
    ]
    if member is not None:
        accusers = ", ".join(name_of(state, peer) for peer in member.accusers)
        lines += [
            _field("can do", Span(inert(", ".join(member.capabilities) or "nothing", 120))),
            _field("models", Span(inert(", ".join(member.models) or "none", 120))),
            _field(
                "price",
                Span(f"{axl(member.price_micro)} AXL"),
                Span(f"  balance {axl(member.balance_micro)}", "dim"),
            ),
            _field("work", Span(f"{member.settled} settled, {member.rescued} of them rescued")),
            _field("incarnation", Span(str(member.incarnation))),
        ]
        if accusers:
            lines.append(_field("accused by", Span(inert(accusers, 200), "suspect")))
        if member.ens_name:
            lines.append(
                _field("ENS name", Span(inert(member.ens_name, 80)), Span("  as it says itself", "dim"))
            )
    if own is not None:
        lines.append(_field("backend", Span(inert(own.backend, 120) or "none")))
        lines.append(
            _field("version", Span(inert(own.version, 40)), Span(f"  start number {own.boot}", "dim"))
        )
        if own.problem:
            lines.append(_field("problem", Span(inert(own.problem, 200), "warn")))
    return lines


def _sights(frame: Frame, peer: str) -> list[Line]:
    state = frame.state
    lines: list[Line] = []
    for observer_peer, observer in state.observers.items():
        sight = observer.sights.get(peer)
        if sight is None or observer_peer == peer:
            continue
        signs: dict[str, tuple[str, Role]] = {
            "alive": (frame.glyphs.alive, "alive"),
            "suspect": (frame.glyphs.suspect, "suspect"),
            "dead": (frame.glyphs.dead, "dead"),
        }
        sign, role = signs.get(sight.state, (frame.glyphs.left, "dim"))
        heard = "" if observer_peer not in state.deaf else "  (silent now)"
        since = f"since {clock(sight.since_ms)}" if sight.since_ms else ""
        link = "linked" if sight.neighbour else "no link"
        lines.append(
            (
                INDENT,
                Span(fit(inert(name_of(state, observer_peer), 20), 11)),
                Span(f"{sign} {sight.state:<8}", role),
                Span(f"{since}  {link}{heard}", "dim"),
            )
        )
    return sorted(lines, key=lambda line: line[1].text)


def _holdings(frame: Frame, peer: str) -> list[Line]:
    return [
        (
            INDENT,
            Span(fit(inert(job.label, 20), 8), "strong"),
            *job_views.state_of(frame.state, job, frame.glyphs),
            Span(f"  epoch {job.epoch}  {job.tokens or frame.glyphs.nothing} tokens", "dim"),
        )
        for job in jobs_held(frame.state, peer)
    ]
