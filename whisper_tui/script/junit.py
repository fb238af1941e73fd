"""The report as JUnit XML, which continuous integration draws: one suite per run, one case per step."""

from __future__ import annotations

from xml.etree import ElementTree as xml

from whisper_tui.model.inert import inert, inert_lines
from whisper_tui.script.report import Report, StepReport


def encoded(report: Report) -> bytes:
    """The report as XML."""
    failed = sum(step.outcome in ("failed", "timed out") for step in report.steps)
    skipped = sum(step.outcome in ("skipped", "not reached") for step in report.steps)
    other = int(report.failure is not None and report.failure.step is None)
    suite = xml.Element(
        "testsuite",
        name=f"whisper.{report.name}",
        tests=str(len(report.steps) + other),
        failures=str(failed),
        errors=str(other),
        skipped=str(skipped),
        time=f"{report.took_ms / 1000:.3f}",
    )
    properties = xml.SubElement(suite, "properties")
    for name in ("source", "clock", "seed"):
        xml.SubElement(properties, "property", name=name, value=inert(getattr(report, name)))
    for step in report.steps:
        suite.append(_case(report, step))
    if other:
        _trouble(report, xml.SubElement(suite, "testcase", classname=report.name, name="the run"), "error")
    return bytes(xml.tostring(suite, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(report: Report, step: StepReport) -> xml.Element:
    name = inert(f"{step.number} {step.about}")
    case = xml.Element("testcase", classname=report.name, name=name, time=f"{(step.took_ms or 0) / 1000:.3f}")
    if step.outcome in ("failed", "timed out"):
        _trouble(report, case, "failure")
    elif step.outcome != "passed":
        xml.SubElement(case, "skipped", message=step.outcome)
    return case


def _trouble(report: Report, case: xml.Element, tag: str) -> None:
    failure = report.failure
    assert failure is not None, "a run that did not pass says why"
    element = xml.SubElement(case, tag, message=inert(failure.message))
    shown = ["", "the screen:", *failure.screen] if failure.screen else []
    lines = [*failure.mesh, *shown, "", "the last events:", *failure.events]
    element.text = "\n".join(line for text in lines for line in inert_lines(text) or [""])
