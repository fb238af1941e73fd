"""`whisper-tui --script`: read a script, play it, write its report, say in the exit code how it went.

0 passed, 1 an expectation failed, 2 bad script, 3 the mesh could not start or be reached, 4 timed out, 130
interrupted.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from whisper_tui import settings as environment
from whisper_tui.errors import BadInput
from whisper_tui.script import captures, folder, junit, reading, report
from whisper_tui.script.ground import Ground
from whisper_tui.script.guard import guarding
from whisper_tui.script.mesh import LiveMesh, wishes_of
from whisper_tui.script.play import PASSED, Play
from whisper_tui.script.progress import Progress
from whisper_tui.script.recorded import RecordedGround
from whisper_tui.script.schema import LIVE, SIMULATION, Script
from whisper_tui.script.screen import Filming
from whisper_tui.script.simulated import SimulatedGround

INTERRUPTED = 130
SEEDS = 1_000_000


@dataclass(frozen=True)
class ScriptOptions:
    """What the command line said. `script` is a name or a file, `json` and `junit` are files or `-`. `cast`, `frames` and
    `captures` are where the console's recording, its frames and its pictures go.

    `run_dir` keeps the run's directory; `corpus`, `axl_node` and `light` are those of `up` and win over the
    script's own wishes; `debug` keeps the directory of every run.
    """

    script: str
    variables: Mapping[str, str] = field(default_factory=dict)
    json: str | None = None
    junit: str | None = None
    cast: Path | None = None
    frames: Path | None = None
    captures: Path | None = None
    run_dir: Path | None = None
    corpus: str | None = None
    axl_node: str | None = None
    light: bool = False
    debug: bool = False


def run_script(options: ScriptOptions) -> int:
    """Play the script; the exit code. Raises UserError while nothing has been started yet."""
    script = reading.load(options.script, options.variables)
    settings = environment.read()
    for target in (options.json, options.junit):
        report.check_target(target)
    filming = _filming(script, options)
    seed = options.variables.get(reading.SEED) or str(secrets.randbelow(SEEDS))
    progress = Progress()
    if settings.ignored:
        progress.say(settings.ignored)
    if script.source == LIVE:
        return _on_processes(script, options, settings, Performance(seed, progress, filming))
    return _on_nothing(script, options, Performance(seed, progress, filming))


@dataclass(frozen=True)
class Performance:
    """What all runs have in common: where chance comes from, who is told, what is kept of the console."""

    seed: str
    progress: Progress
    filming: Filming

    def of(self, script: Script, ground: Ground) -> Play:
        """A run."""
        return Play(script, ground, self.seed, self.progress, self.filming)


def _on_processes(
    script: Script, options: ScriptOptions, settings: environment.Settings, performance: Performance
) -> int:
    """Play it on a mesh of its own in a directory of its own."""
    progress = performance.progress
    wishes = wishes_of(script, options.corpus, options.axl_node, light=options.light)
    temporary = options.run_dir is None
    run = folder.chosen(options.run_dir) if options.run_dir else folder.temporary(script.name)
    progress.say(f"{script.name}, seed {performance.seed}, in {run.root}")
    play = performance.of(script, LiveMesh(run, wishes, settings))
    with guarding(run, temporary=temporary):
        code = asyncio.run(_play(play, progress))
    _report(play, options, progress)
    if temporary and code in (PASSED, INTERRUPTED) and not options.debug:
        folder.remove(run)
    else:
        progress.say(f"logs and stores are in {run.root}")
    return code


def _on_nothing(script: Script, options: ScriptOptions, performance: Performance) -> int:
    """Play it where no process is started."""
    for name in ("run_dir", "corpus", "axl_node", "light"):
        if getattr(options, name):
            raise BadInput(
                f"--{name.replace('_', '-')}: {script.name} starts no processes, its source is {script.source}"
            )
    progress = performance.progress
    progress.say(f"{script.name}, seed {performance.seed}, source {script.source}")
    ground = (
        SimulatedGround(script.mesh, performance.seed)
        if script.source == SIMULATION
        else RecordedGround(Path(script.recording))
    )
    play = performance.of(script, ground)
    code = asyncio.run(_play(play, progress))
    _report(play, options, progress)
    return code


def _report(play: Play, options: ScriptOptions, progress: Progress) -> None:
    """Write down how it went."""
    found = play.report()
    if options.json:
        report.write(report.encoded(found), options.json)
    if options.junit:
        report.write(junit.encoded(found), options.junit)
    progress.summary(found)


def _filming(script: Script, options: ScriptOptions) -> Filming:
    """Where what the console shows goes; BadInput when it cannot go there."""
    if options.cast is not None:
        report.check_target(str(options.cast))
    if options.captures is not None and not script.captures:
        raise BadInput(
            f"--captures: {script.file} keeps no picture", 'a step that does: capture = "NAME.svg"'
        )
    return Filming(
        cast=options.cast,
        frames=captures.folder(options.frames, "--frames") if options.frames is not None else None,
        captures=captures.folder(options.captures, "--captures") if options.captures is not None else None,
    )


async def _play(play: Play, progress: Progress) -> int:
    """Play to the end, or to the first signal that asks for it; ending the mesh is not interrupted by a second."""
    playing = asyncio.create_task(play.play())
    signals: list[str] = []

    def interrupt(number: int) -> None:
        signals.append(signal.Signals(number).name)
        if len(signals) == 1:
            playing.cancel()
            progress.say(f"{signals[0]}: ending the mesh")

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupt, number)
    await asyncio.wait({playing})
    if playing.cancelled():
        play.interrupted(signals[0])
        return INTERRUPTED
    return playing.result()
