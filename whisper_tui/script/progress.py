"""A run as it goes, for people: one line per step, and in between what the mesh does. Always on standard error."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable

from whisper_tui.model.glyphs import ASCII, UNICODE
from whisper_tui.model.inert import inert
from whisper_tui.model.plain import is_nameless
from whisper_tui.model.selectors import label_of, name_of, nodes, open_jobs, operator_of
from whisper_tui.model.sentences import sentence
from whisper_tui.model.state import LogEntry, State
from whisper_tui.script.report import Report, StepReport

TOLD: frozenset[str] = frozenset(
    {
        "action",
        "member_dead",
        "member_alive",
        "lease_granted",
        "execution_failed",
        "job_settled",
        "query_answered",
        "equivocation",
        "alarm",
        "problem",
    }
)
"""Kinds of log entries worth a line while a script runs."""

EVENTS_SHOWN = 50
TOO_MANY = "record_added"
"""Kind of entries that would crowd out all others in a failure's last events."""


NAMELESS_MAX = 20
"""Entries about jobs nobody has shown yet that wait for their labels: some hear of a job before the operator does."""


class Progress:
    """Writes lines with the time since the run began."""

    def __init__(self) -> None:
        self._now: Callable[[], float] = time.monotonic
        self._began = self._now()
        self._told: set[tuple[str, ...]] = set()
        self._untold: list[LogEntry] = []
        self._stream = sys.stderr  # a console on a screen of its own takes the name for itself
        encoding = (sys.stderr.encoding or "ascii").lower().replace("-", "")
        self._glyphs = UNICODE if encoding == "utf8" else ASCII

    def keep_time(self, now: Callable[[], float]) -> None:
        """Tell times by another clock, from its beginning on."""
        self._now, self._began = now, now()

    def say(self, text: str) -> None:
        """One line."""
        self._write(f"       {text}")

    def told(self, state: State, entry: LogEntry) -> None:
        """Something happened in the mesh. What some hear of much later than others is told once."""
        if entry.kind in TOLD and entry.key not in self._told:
            if entry.key:
                self._told.add(entry.key)
            self._untold.append(entry)
        untold = self._untold
        self._untold = [one for one in untold[-NAMELESS_MAX:] if is_nameless(state, one)]
        for one in untold:
            if one not in self._untold:
                who = f"{name_of(state, one.observers[0])}: " if one.kind == "problem" else ""
                self._write(f"       {who}{sentence(state, one, self._glyphs)}")

    def step(self, step: StepReport, total: int) -> None:
        """A step has ended."""
        signs = {"passed": self._glyphs.settled, "skipped": self._glyphs.nothing}
        sign = signs.get(step.outcome, self._glyphs.dead)
        took = f"  ({step.took_ms / 1000:.2f} s)" if step.took_ms is not None else ""
        text = f"{sign} {step.number:>2}/{total} {step.about}"
        if step.did and step.did != step.about:
            text += f": {step.did}"
        self._write(text + took)
        for check in step.checks:
            if not check.passed:
                self._write(f"       {self._glyphs.dead} {check.text}")

    def summary(self, report: Report) -> None:
        """How it ended."""
        if report.failure is not None:
            for title, lines in (
                ("the mesh", report.failure.mesh),
                ("the screen", report.failure.screen),
                ("the last events", report.failure.events),
            ):
                if lines:
                    self._plain(f"{title}:")
                    for line in lines:
                        self._plain(f"  {line}")
        counters = report.counters
        if counters is not None:
            self._plain(
                f"jobs: {counters.jobs_submitted} submitted, {counters.jobs_settled} settled, "
                f"{counters.jobs_settled_twice} settled twice, {counters.jobs_lost} lost, {report.jobs_open or 0} open, "
                f"{counters.rescued} rescued, {counters.executions} executions"
            )
        for incident in report.incidents:
            stages = ("suspected", "confirmed", "reclaimed", "finished", "converged")
            figures = [(stage, getattr(incident, f"{stage}_ms")) for stage in stages]
            reached = "  ".join(f"{stage} {ms / 1000:.2f} s" for stage, ms in figures if ms is not None)
            self._plain(f"{incident.action} {' '.join(incident.killed)}".rstrip() + f":  {reached}")
        load = report.load
        if load is not None and load.questions > 1:
            self._plain(
                f"load: {load.answered} of {load.questions} questions answered, {load.jobs} jobs in {load.took_ms / 1000:.2f} s: "
                f"{load.jobs_per_s:g} jobs/s; answered after {load.p50_ms / 1000:.2f} s at the median, "
                f"{load.p99_ms / 1000:.2f} s at p99"
            )
        for answer in report.answers[-1:]:
            self._plain(f"{answer.label}: {answer.text}")
            self._plain(f"  by {answer.backend}, {len(answer.passages)} passages cited")
        verdict = "passed" if report.passed else "FAILED"
        why = f": {report.failure.message}" if report.failure else ""
        whose = "" if report.clock == "real" else f"{report.clock} "
        took = f"{report.took_ms / 1000:.1f} {whose}s"
        self._plain(f"{report.name} {verdict} in {took} (seed {report.seed}){why}")

    def _write(self, text: str) -> None:
        self._plain(f"{self._now() - self._began:7.2f} {text}")

    def _plain(self, text: str) -> None:
        line = inert(text, chars_max=2_000)
        encoding = self._stream.encoding or "ascii"
        with contextlib.suppress(
            OSError
        ):  # whoever was reading is gone; the run has to be ended all the same
            self._stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
            self._stream.flush()


def mesh_lines(state: State) -> list[str]:
    """What a failure shows of the mesh: every participant, every open job."""
    lines = [
        f"{node.name} {node.state}" + (f", process {node.process}" if node.process else "")
        for node in nodes(state)
    ]
    for job in open_jobs(state):
        holder = f", held by {name_of(state, job.holder)} at epoch {job.epoch}" if job.holder else ""
        label = label_of(job, operator_of(state))
        lines.append(f"{label} {job.state}{holder}, {job.live_weight} of {job.quorum} votes live")
    return [inert(line) for line in lines]


def event_lines(state: State) -> list[str]:
    """The last events, oldest first, timed from the first of them."""
    entries = [entry for entry in state.log if entry.kind != TOO_MANY][-EVENTS_SHOWN:]
    if not entries:
        return []
    first_ms = entries[0].at_ms
    return [f"{(entry.at_ms - first_ms) / 1000:+8.3f} {sentence(state, entry, UNICODE)}" for entry in entries]
