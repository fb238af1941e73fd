"""The command line. It parses; what a command does is imported only when that command is given."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whisper_tui import __version__
from whisper_tui.errors import BadInput, UserError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from whisper_tui.config.in_force import Flags
    from whisper_tui.contexts import ControlEntrance, Entrance
    from whisper_tui.supervisor.rundir import RunDir

INTERRUPTED = 130
DEBUG = "--debug"
COMPLAINT_CHARS_MAX = 4_000

_meant: list[Path] = []
"""The run directory of the command under way, once it is known: what is suggested after a failure is about that one."""

app = typer.Typer(
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="An AI compute market with no coordinator. Without a command: up. "
    "`--debug` anywhere shows tracebacks instead of one line.",
)
verify_app = typer.Typer(rich_markup_mode=None, help="Check certificates offline.")
app.add_typer(verify_app, name="verify")
config_app = typer.Typer(
    rich_markup_mode=None, help="The configuration file: what is in force, and from where."
)
app.add_typer(config_app, name="config")
ledger_app = typer.Typer(rich_markup_mode=None, invoke_without_command=True)
app.add_typer(ledger_app, name="ledger")
ens_app = typer.Typer(rich_markup_mode=None, help="Providers' names on the chain.")
app.add_typer(ens_app, name="ens")

RunDirOption = Annotated[
    Path | None,
    typer.Option(
        "--run-dir",
        metavar="DIR",
        help="Where keys, stores and logs are. [default: .whisper in a checkout, else your state folder]",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CorpusOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|builtin",
        help="Folder of .txt .md .rst files, plain or .gz; builtin goes back to the texts that come along.",
    ),
]
AsciiOption = Annotated[bool, typer.Option("--ascii", help="Draw the console without special characters.")]
PlainOption = Annotated[
    bool, typer.Option("--plain", help="No console: one sentence for each event, on standard output.")
]
LinesOption = Annotated[bool, typer.Option("--json", help="No console: one JSON object for each event.")]
ThemeOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Colours: default, deuteranopia, high-contrast, ansi, mono."),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Configuration. [default: WHISPER_CONFIG, ~/.config/whisper/config.toml]"
    ),
]
ControlOption = Annotated[
    str | None, typer.Option(metavar="URL", help="A participant's control API, wherever it runs.")
]
TokenFileOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The token of its mesh, in a file; with --control.")
]
AxlNodeOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|builtin",
        help="Gensyn's Go node, or another, in place of the built-in one; builtin goes back to that.",
    ),
]
Names = Annotated[list[str], typer.Argument(help="node3, 3, operator, a peer id, holder:q1.2, random, all")]


@app.callback(invoke_without_command=True)
def whisper(
    script: Annotated[
        str | None,
        typer.Option(help="Run a script: judge, verify, chaos, partition, load, rescue, or a file."),
    ] = None,
    var: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="For the script; may be repeated.")
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Where its report goes; - is standard output.")
    ] = None,
    junit: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where its report as JUnit XML goes.")
    ] = None,
    cast: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Record its console (asciicast v2).")
    ] = None,
    frames: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep every frame of its console as text.")
    ] = None,
    captures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the pictures that it takes of its console.")
    ] = None,
    corpus: CorpusOption = None,
    axl_node: AxlNodeOption = None,
    light: Annotated[bool, typer.Option("--light", help="Answer by search, start no model.")] = False,
    run_dir: RunDirOption = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> int:
    """Options of `whisper-tui` itself."""
    if version:
        typer.echo(f"whisper {__version__}")
    if script is None:
        return 0
    from whisper_tui.commands.script import variables
    from whisper_tui.script.runner import ScriptOptions, run_script
    from whisper_tui.supervisor.prepare import read_place

    return run_script(
        ScriptOptions(
            script,
            variables(var or []),
            json,
            junit,
            cast,
            frames,
            captures,
            run_dir,
            read_place(corpus, "--corpus"),
            read_place(axl_node, "--axl-node"),
            light=light,
            debug=DEBUG in sys.argv,
        )
    )


# ------------------------------------------------------------------------------------------- the mesh


@app.command()
def up(
    count: Annotated[str | None, typer.Option(metavar="N", help="Providers. [default: 6]")] = None,
    fast: Annotated[
        bool | None, typer.Option("--fast/--no-fast", help="Shorter timers (FAST_MODE=1).")
    ] = None,
    exec_delay: Annotated[
        str | None,
        typer.Option(metavar="SECONDS", help="Seconds every execution takes at least (EXEC_DELAY)."),
    ] = None,
    corpus: CorpusOption = None,
    axl_node: AxlNodeOption = None,
    port_base: Annotated[
        str | None,
        typer.Option(metavar="PORT|auto", help="First AXL listener, or auto for free ports. [default: 9001]"),
    ] = None,
    light: Annotated[
        bool | None, typer.Option("--light/--no-light", help="Answer by search, start no model.")
    ] = None,
    record: Annotated[
        bool | None,
        typer.Option("--record/--no-record", help="Keep what happens, for `replay`. [default: record]"),
    ] = None,
    chain: Annotated[
        str | None,
        typer.Option(
            metavar="local|anvil|sepolia|mainnet|URL|off",
            help="The chain that providers' names are on. [default: local]",
        ),
    ] = None,
    credit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PEER=AXL", help="How much a guest with a key of its own may ask for; repeatable."
        ),
    ] = None,
    console: Annotated[
        bool, typer.Option("--console/--no-console", help="Without: stay in the foreground.")
    ] = True,
    detach: Annotated[bool, typer.Option("--detach", help="Leave the mesh running and return.")] = False,
    plain: PlainOption = False,
    ascii_only: AsciiOption = False,
    theme: ThemeOption = None,
    config: ConfigOption = None,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> int:
    """Start providers and an operator, and open the console. On a running mesh: attach to it."""
    from whisper_tui import settings as environment
    from whisper_tui.commands.up import Manner, up
    from whisper_tui.config.in_force import Flags
    from whisper_tui.model.inert import inert
    from whisper_tui.supervisor.chain_choice import read_chain
    from whisper_tui.supervisor.prepare import Wishes, read_credit, read_place

    settings = environment.read()
    if settings.ignored:
        typer.echo(f"whisper-tui: {inert(settings.ignored)}", err=True)
    base, auto = _port_base(port_base)
    wishes = Wishes(
        count=_count(count),
        fast=settings.fast if fast is None else fast,
        exec_delay=settings.exec_delay
        if exec_delay is None
        else environment.seconds(exec_delay, "--exec-delay"),
        corpus=read_place(corpus, "--corpus"),
        axl_node=read_place(axl_node, "--axl-node"),
        port_base=base,
        auto_ports=auto,
        light=light,
        record=record,
        chain=None if chain is None else read_chain(chain),
        ens_parent=settings.get("WHISPER_ENS_PARENT").strip() or None,
        credit=read_credit(credit) if credit else None,
    )
    return up(
        _run(run_dir),
        wishes,
        settings,
        Manner(console, detach, Flags(config, theme, ascii_only), json, plain),
    )


@app.command()
def attach(
    context: Annotated[
        str | None, typer.Argument(help="A context of the configuration; the mesh on this machine without.")
    ] = None,
    control: ControlOption = None,
    token_file: TokenFileOption = None,
    only_reading: Annotated[
        bool, typer.Option("--read-only", help="Refuse actions for good, whatever is pressed.")
    ] = False,
    ascii_only: AsciiOption = False,
    theme: ThemeOption = None,
    config: ConfigOption = None,
    plain: PlainOption = False,
    run_dir: RunDirOption = None,
    json: LinesOption = False,
) -> int:
    """Open the console on a mesh that runs, read-only at first. Without a terminal: --plain."""
    from whisper_tui.commands.console import attach, has_terminal
    from whisper_tui.config.in_force import Flags

    flags = Flags(config, theme, ascii_only)
    entrance = _entrance(context, control, token_file, run_dir, flags)
    if plain or json or not has_terminal():
        from whisper_tui.commands import plain as lines

        return lines.attach(entrance, as_json=json, ascii_only=ascii_only)
    return attach(entrance, flags, only_reading=only_reading)


@app.command()
def serve(
    port: Annotated[
        int,
        typer.Option(metavar="PORT", help="Where the browser finds it, on this machine.", min=1, max=65535),
    ] = 8765,
    allow_actions: Annotated[
        bool, typer.Option("--allow-actions", help="Let whoever opens the page act on the mesh.")
    ] = False,
    context: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A context of the configuration in place of the mesh on this machine."
        ),
    ] = None,
    theme: ThemeOption = None,
    config: ConfigOption = None,
    run_dir: RunDirOption = None,
) -> int:
    """Show the console in a browser on this machine, read-only. Needs the extra `web`."""
    from whisper_tui.commands.serve import serve
    from whisper_tui.config.in_force import Flags

    flags = Flags(config, theme)
    serve(_entrance(context, None, None, run_dir, flags), flags, context, port, allow_actions=allow_actions)
    return 0


@app.command()
def down(run_dir: RunDirOption = None, json: JsonOption = False) -> None:
    """End every process of the mesh; keys and stores stay."""
    _act("down", run_dir, json)


@app.command()
def nodes(run_dir: RunDirOption = None, json: JsonOption = False) -> None:
    """Who takes part, how others see them, how their processes are."""
    from whisper_tui.commands import show

    _wait(show.nodes(_run(run_dir), json))


# ----------------------------------------------------------------------------------------------- work


@app.command()
def submit(
    text: Annotated[str, typer.Argument(help="The question.")],
    wait: Annotated[
        bool, typer.Option("--wait/--detach", help="Wait for the answer, or return at once.")
    ] = True,
    max_price: Annotated[
        float | None, typer.Option(metavar="AXL", help="Most to pay for a job, in AXL. [default: 0.05]")
    ] = None,
    byzantine: Annotated[
        int | None, typer.Option(metavar="N", help="Committee members that may lie. [default: 0]")
    ] = None,
    submitter_weight: Annotated[
        int | None, typer.Option(metavar="N", help="Your votes in the committee. [default: 1]")
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option(metavar="N", help="Executions that may fail before the job does. [default: 3]"),
    ] = None,
    auction_timeout: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="Seconds an auction takes at most. [default: 0.4]")
    ] = None,
    execution_timeout: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="Seconds an execution takes at most. [default: 120]")
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="SECONDS", help="Seconds until the job ends as timed out. [default: 900]"),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Whose bid comes first: node2, node2.axl.eth or a peer id. Should it fail, others take over.",
        ),
    ] = None,
    axl: Annotated[
        str | None, typer.Option(metavar="URL", help="Join through this AXL bridge, with a key of your own.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="That key, an ed25519 PEM; with --axl.")
    ] = None,
    control: ControlOption = None,
    token_file: TokenFileOption = None,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """Ask a question over the corpus."""
    from whisper_tui.actions.terms import read_terms

    terms = read_terms(
        {
            "max-price": max_price,
            "byzantine": byzantine,
            "submitter-weight": submitter_weight,
            "retries": retries,
            "auction-timeout": _seconds(auction_timeout, "--auction-timeout"),
            "execution-timeout": _seconds(execution_timeout, "--execution-timeout"),
            "timeout": _seconds(timeout, "--timeout"),
        },
        to,
    )
    elsewhere = _control(control, token_file)
    if elsewhere is not None and (axl is not None or run_dir is not None):
        raise BadInput(
            f"--control and {'--axl' if axl is not None else '--run-dir'} name two ways", "leave one out"
        )
    if axl is not None:
        from whisper_tui.commands import guest

        _wait(guest.submit(_run(run_dir), text, guest.Visit(axl, key, terms, wait, json)))
        return
    if key is not None:
        raise BadInput("--key goes with --axl URL", "the operator's own key asks otherwise")
    if elsewhere is not None:
        from whisper_tui.commands import elsewhere as there
        from whisper_tui.commands.addressee import check_peer

        check_peer(terms)
        _wait(there.submit(elsewhere, text, terms, wait, json))
        return
    from whisper_tui.commands import act

    _wait(act.submit(_run(run_dir), text, terms, wait, json))


@app.command()
def jobs(
    tail: Annotated[
        int | None, typer.Option(metavar="N", help="Only the newest jobs, so many.", min=0)
    ] = None,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """Every job: where it is, who holds it, what it cost."""
    from whisper_tui.commands import show

    _wait(show.jobs(_run(run_dir), tail, json))


@app.command()
def job(
    job: Annotated[str, typer.Argument(help="Label (q1.2; q1 for the combined answer) or id.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write its receipt there, for `verify receipt`.")
    ] = None,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """One job in full."""
    from whisper_tui.commands import show

    _wait(show.job(_run(run_dir), job, out, json))


@app.command()
def bids(
    job: Annotated[
        str | None, typer.Argument(help="Label or id of a job or question; all jobs without.")
    ] = None,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """Auctions: ranked bids, and those refused."""
    from whisper_tui.commands import show

    _wait(show.bids(_run(run_dir), job, json))


@app.command()
def leases(run_dir: RunDirOption = None, json: JsonOption = False) -> None:
    """Who works on what now, and for how long still."""
    from whisper_tui.commands import show

    _wait(show.leases(_run(run_dir), json))


@ledger_app.callback()
def ledger(
    context: typer.Context,
    tail: Annotated[int, typer.Option(help="Newest records to show.", min=0)] = 20,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """How the replicas agree, and the newest records. `ledger show HASH` is one of them."""
    if context.invoked_subcommand is not None:
        if run_dir is not None or json:
            raise BadInput("options go after the command", "type: whisper-tui ledger show HASH OPTIONS")
        return
    from whisper_tui.commands import show

    _wait(show.ledger(_run(run_dir), tail, json))


@ledger_app.command("show")
def ledger_show(
    name: Annotated[
        str, typer.Argument(metavar="HASH", help="Of the record; the start of it is enough for a newest one.")
    ],
    at: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose replica checks it. [default: operator]")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Its signed bytes instead.")] = False,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """One signed record: what it says, and what comes of checking it."""
    from whisper_tui.commands import show_record

    _wait(show_record.show(_run(run_dir), name, show_record.Manner(at, raw, json)))


# ---------------------------------------------------------------------------------------------- names

EnsName = Annotated[str, typer.Argument(metavar="NAME", help="node2.axl.eth, or a provider: node2")]


@ens_app.command("ls")
def ens_ls(run_dir: RunDirOption = None, json: JsonOption = False) -> None:
    """Every name that is known, whose it is, and its records."""
    from whisper_tui.commands import ens

    _wait(ens.ls(_run(run_dir), json))


@ens_app.command("rpc-url")
def ens_rpc_url(run_dir: RunDirOption = None, json: JsonOption = False) -> None:
    """Where any client of Ethereum finds these names."""
    from whisper_tui.commands import ens

    ens.rpc_url(_run(run_dir), json)


@ens_app.command("show")
def ens_show(name: EnsName, run_dir: RunDirOption = None, json: JsonOption = False) -> None:
    """One name in full, read from the chain now."""
    from whisper_tui.commands import ens

    _wait(ens.show(_run(run_dir), name, json))


@ens_app.command("verify")
def ens_verify(name: EnsName, run_dir: RunDirOption = None, json: JsonOption = False) -> None:
    """Whether a name and its peer are bound; exit code 1 when not."""
    from whisper_tui.commands import ens

    _wait(ens.verify(_run(run_dir), name, json))


@ens_app.command("register")
def ens_register(run_dir: RunDirOption = None, json: JsonOption = False) -> None:
    """Write what is missing of this machine's names, now."""
    from whisper_tui.commands import ens

    _wait(ens.register(_run(run_dir), json))


@ens_app.command("set")
def ens_set(
    key: Annotated[str, typer.Argument(help="Of the text record: description, url, …")],
    value: Annotated[str, typer.Argument(help="Its text; empty removes it.")],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Whose record: node2.axl.eth, or node2.")
    ] = "node1",
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """Write a text record of a name of this machine."""
    from whisper_tui.commands import ens

    _wait(ens.set_record(_run(run_dir), name, key, value, json))


@ens_app.command("mint")
def ens_mint(
    name: Annotated[str, typer.Argument(metavar="NAME", help="agent1.node1.axl.eth")],
    owner: Annotated[
        str,
        typer.Option(metavar="PROVIDER|0x…", help="Whose it is to be. [default: who owns the name above it]"),
    ] = "",
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """Register one more name; a provider is bound to it."""
    from whisper_tui.commands import ens

    _wait(ens.mint(_run(run_dir), name, owner, json))


@ens_app.command("transfer")
def ens_transfer(
    name: EnsName,
    to: Annotated[str, typer.Argument(metavar="ACCOUNT", help="0x and 40 hexadecimal digits.")],
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """Give a name of this machine to an account, for good."""
    from whisper_tui.commands import ens

    _wait(ens.transfer(_run(run_dir), name, to, json))


@app.command()
def cancel(
    job: Annotated[str, typer.Argument(help="Label or id.")],
    control: ControlOption = None,
    token_file: TokenFileOption = None,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """Ask that a job end as cancelled."""
    elsewhere = _control(control, token_file)
    if elsewhere is not None:
        from whisper_tui.commands import elsewhere as there

        _wait(there.cancel(elsewhere, job, json))
        return
    from whisper_tui.commands import act

    _wait(act.cancel(_run(run_dir), job, json))


# ---------------------------------------------------------------------------------------------- chaos


@app.command()
def kill(
    names: Names,
    only: Annotated[
        str | None, typer.Option(metavar="provider|axl", help="One of the two processes only.")
    ] = None,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """SIGKILL participants: provider and AXL node."""
    if only not in {None, "provider", "axl"}:
        raise BadInput(f"--only {only}: expected provider or axl")
    _act("kill", run_dir, json, names, only=only)


@app.command()
def pause(names: Names, run_dir: RunDirOption = None, json: JsonOption = False) -> None:
    """SIGSTOP participants; `revive` wakes them."""
    _act("pause", run_dir, json, names)


@app.command()
def revive(names: Names, run_dir: RunDirOption = None, json: JsonOption = False) -> None:
    """Start dead participants again, as they were; wake paused ones."""
    _act("revive", run_dir, json, names)


@app.command()
def add(run_dir: RunDirOption = None, json: JsonOption = False) -> None:
    """One more provider."""
    _act("add", run_dir, json)


@app.command()
def partition(names: Names, run_dir: RunDirOption = None, json: JsonOption = False) -> None:
    """Cut these participants off from all others."""
    _act("partition", run_dir, json, [], names)


@app.command()
def heal(run_dir: RunDirOption = None, json: JsonOption = False) -> None:
    """End the partition."""
    _act("heal", run_dir, json)


# ------------------------------------------------------------------------------------------ recordings


@app.command()
def replay(
    recording: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE|DIR]",
            help="A segment, a run's folder or a run directory. [default: the newest run]",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="What to show first: 12:00:03, 2026-01-01T12:00:03, or +90 (seconds)."
        ),
    ] = None,
    ascii_only: AsciiOption = False,
    theme: ThemeOption = None,
    config: ConfigOption = None,
    plain: PlainOption = False,
    run_dir: RunDirOption = None,
    json: LinesOption = False,
) -> int:
    """Open what was recorded in the console. `[ ] { } .` and `p` go through time."""
    from whisper_tui.commands.plain import Lines
    from whisper_tui.commands.replay import replay
    from whisper_tui.config.in_force import Flags

    path = _run(run_dir).root if recording is None else recording
    lines = Lines(as_json=json, ascii_only=ascii_only) if plain or json else None
    return replay(path, at, Flags(config, theme, ascii_only), lines)


@app.command()
def recordings(run_dir: RunDirOption = None, json: JsonOption = False) -> int:
    """What was recorded here."""
    from whisper_tui.commands.replay import recordings

    return recordings(_run(run_dir), json)


# ---------------------------------------------------------------------------------------------- tools


@app.command()
def doctor(run_dir: RunDirOption = None, json: JsonOption = False) -> int:
    """What is installed, which ports are free, what to type next."""
    from whisper_tui.commands import show_doctor

    return show_doctor.show(_run(run_dir), json)


@config_app.callback(invoke_without_command=True)
def config(context: typer.Context, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Every setting of the console, its value, and who says so."""
    if context.invoked_subcommand is None:
        from whisper_tui.commands import configuration

        configuration.show(config, json)


@config_app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="The file. [default: the one that counts]")] = None,
    json: JsonOption = False,
) -> None:
    """Whether the file is fine; else what is wrong, on which line."""
    from whisper_tui.commands import configuration

    configuration.check(file, json)


@verify_app.command()
def receipt(
    file: Annotated[Path, typer.Argument(help="Written by `job ID --out FILE`.")], json: JsonOption = False
) -> None:
    """What the receipt of a settled job proves, by public keys alone."""
    from whisper_tui.commands.receipt import verify

    verify(file, json)


@app.command()
def keys(
    make: Annotated[Path | None, typer.Option(metavar="FILE", help="Make a new key file.")] = None,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """Who the participants are: peer ids and key files."""
    from whisper_tui.commands import keys

    if make is not None:
        keys.make_one(make, json)
    else:
        keys.show(_run(run_dir), json)


# -------------------------------------------------------------------------------------------- helpers


def _run(flag: Path | None) -> RunDir:
    from whisper_tui.supervisor.rundir import find

    run = find(flag)
    _meant[:] = [run.root]
    return run


def _entrance(
    context: str | None, control: str | None, token_file: Path | None, run_dir: Path | None, flags: Flags
) -> Entrance:
    """The mesh that is meant; BadInput when it is named twice, or half."""
    from whisper_tui.contexts import RunDirEntrance

    named = [
        name
        for name, given in (("a context", context), ("--control", control), ("--run-dir", run_dir))
        if given is not None
    ]
    if len(named) > 1:
        raise BadInput(f"{' and '.join(named)} name two meshes", "leave one out")
    elsewhere = _control(control, token_file)
    if elsewhere is not None:
        return elsewhere
    if context is not None:
        from whisper_tui.commands.console import entrance_to

        return entrance_to(context, flags)
    return RunDirEntrance(_run(run_dir))


def _control(control: str | None, token_file: Path | None) -> ControlEntrance | None:
    """The control API that is named on the command line, None when none is; BadInput when only half of it is."""
    if control is None and token_file is None:
        return None
    if control is None or token_file is None:
        raise BadInput(
            "--control URL and --token-file FILE go together",
            "the token stands in a file, never on a command line",
        )
    from whisper_tui.config.reading import control_problem
    from whisper_tui.contexts import ControlEntrance

    if problem := control_problem(control):
        raise BadInput(f"--control: {problem}")
    return ControlEntrance(control, token_file)


def _wait(work: Coroutine[Any, Any, Any]) -> None:
    import asyncio

    asyncio.run(work)


def _act(action: str, run_dir: Path | None, json: bool, *args: Any, **options: Any) -> None:
    from whisper_tui.commands import act

    _wait(act.report(action, getattr(act.actions(_run(run_dir)), action)(*args, **options), json))


def _seconds(text: str | None, option: str) -> float | None:
    """A duration as typed, in seconds; None where nothing was."""
    from whisper_tui import settings

    return None if text is None else settings.seconds(text, option)


def _count(text: str | None) -> int | None:
    """A number of providers as typed, None where nothing was; `make_plan` says whether there can be so many."""
    from whisper_tui.supervisor.plan import COUNT_MAX

    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise BadInput(f"--count {text}: expected 1…{COUNT_MAX}") from None


def _port_base(text: str | None) -> tuple[int | None, bool | None]:
    """(base, whether to choose one) as wished for by `--port-base`."""
    if text is None:
        return None, None
    if text == "auto":
        return None, True
    if not (text.isascii() and text.isdigit()):
        raise BadInput(f"--port-base {text}: expected a port or auto")
    return int(text), None


def with_command(args: list[str]) -> list[str]:
    """`up` goes without saying: it is what options without a command belong to."""
    own = ("--script", "--version", "--help", "-h", "--install-completion", "--show-completion")
    if not args or (args[0].startswith("-") and not any(arg.split("=")[0] in own for arg in args)):
        return ["up", *args]
    return args


SCRIPTS_ONLY = ("--var", "--junit", "--cast", "--frames", "--captures")
"""Options that belong to `--script`; `--json` does too when something follows it that is no option."""


def check_options_of_scripts(args: list[str]) -> None:
    """BadInput for an option of scripts where there is neither a script nor a command."""
    names = [arg.split("=")[0] for arg in args]
    if not args or not args[0].startswith("-") or "--script" in names or any(arg in _names() for arg in args):
        return
    for arg, name, value in zip(args, names, [*args[1:], ""], strict=True):
        report = name == "--json" and (arg != name or (value and (value == "-" or not value.startswith("-"))))
        if name in SCRIPTS_ONLY or report:
            raise BadInput(f"{name} needs --script", f"such as: whisper-tui --script judge {name} …")


def with_command_first(args: list[str]) -> str:
    """What may be meant where options stand before a command; empty when no command is there."""
    command = next((arg for arg in args if arg in _names()), "")
    if not command:
        return ""
    at = args.index(command)
    import shlex

    return f"whisper-tui {shlex.join([command, *args[:at], *args[at + 1 :]])}"


def _names() -> set[str]:
    """What a command line may begin with."""
    commands = {known.callback.__name__ for known in app.registered_commands if known.callback is not None}
    return commands | {group.name for group in app.registered_groups if isinstance(group.name, str)}


def _check_here() -> None:
    """BadInput where nothing can be looked for."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise BadInput(
            "the folder that this shell is in is not there any more", "go to another one: cd"
        ) from None


def main() -> None:
    """Entry point: one line and an exit code for whatever goes wrong, a traceback only with `--debug`."""
    args = sys.argv[1:]
    debug = DEBUG in args
    args = [arg for arg in args if arg != DEBUG]
    try:
        _check_here()
        check_options_of_scripts(args)
        code = app(args=with_command(args), prog_name="whisper-tui", standalone_mode=False)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except typer.Abort:
        code = INTERRUPTED
    except (UserError, typer.TyperException) as error:
        if debug:
            raise
        code = _complain(_explained(error, args))
    except OSError as error:
        if debug:
            raise
        code = _complain(UserError(f"{error.filename or 'system'}: {error.strerror or error}"))
    except Exception as error:  # a mistake of ours: still one line, and how to see more
        if debug:
            raise
        code = _complain(
            UserError(f"{type(error).__name__}: {error}", "run it again with --debug, and tell us")
        )
    sys.exit(code if isinstance(code, int) else 0)


def _explained(error: UserError | typer.TyperException, args: list[str]) -> UserError | typer.TyperException:
    """An error that says what to type where options stand before the command, in place of one that does not."""
    meant = with_command_first(args) if with_command(args) != args else ""
    if isinstance(error, UserError) or not meant:
        return error
    return BadInput("options go after the command", f"type: {meant}")


def _complain(error: UserError | typer.TyperException) -> int:
    """Say what is wrong in one line and what to do in the next, inert: names from the mesh and the words of other programs
    are in both. Returns the exit code."""
    from whisper_tui.model.inert import inert, inert_message

    if isinstance(error, UserError):
        line, hint = error.message, error.hint
    else:
        context = getattr(error, "ctx", None)
        line, hint = error.format_message(), f"{context.command_path if context else 'whisper-tui'} --help"
    typer.echo(f"whisper-tui: {inert(' '.join(line.split()), COMPLAINT_CHARS_MAX)}", err=True)
    if hint:
        from whisper_tui.program import typed

        typer.echo(f"  {inert_message(typed(hint, *_meant))}", err=True)
    return error.exit_code
