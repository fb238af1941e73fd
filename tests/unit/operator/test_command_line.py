"""The command line: quick, and one line for every mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from axl import keys
from whisper_tui import cli
from whisper_tui.actions.terms import read_terms
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor.command_line import command_line
from whisper_tui.supervisor.prepare import Wishes, make_plan, prepare
from whisper_tui.supervisor.rundir import PROJECT_MARK, RunDir

HEAVY = {"asyncio", "msgspec", "rich", "textual", "cryptography", "nacl", "httpx", "web3", "mesh_core"}


def whisper(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run it in a checkout of its own, so that no mesh of somebody else is meant."""
    (cwd / "pyproject.toml").write_text(PROJECT_MARK)
    return subprocess.run(
        [sys.executable, "-c", "from whisper_tui.cli import main; main()", *args],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cwd), "XDG_STATE_HOME": str(cwd / "state")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\nsys.argv = ['whisper-tui', '--help']\nfrom whisper_tui.cli import main\n"
        f"try: main()\nexcept SystemExit: pass\nprint(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "revive" in done.stdout


@pytest.mark.parametrize(
    ("args", "code", "line"),
    [
        (["kill"], 2, "Missing argument"),
        (["frobnicate"], 2, "No such command 'frobnicate'"),
        (["--count", "many"], 2, "--count many: expected 1…64"),
        (["--var", "a=b"], 2, "--var needs --script"),
        (["--light", "--junit=x.xml"], 2, "--junit needs --script"),
        (["--json", "-"], 2, "--json needs --script"),
        (["--json=report.json"], 2, "--json needs --script"),
        (["jobs", "--run-dir", "/etc/passwd"], 2, "run directory /etc/passwd: is no folder"),
        (["up", "--run-dir", "/etc/passwd"], 2, "run directory /etc/passwd: is no folder"),
        (["--count", "99"], 2, "--count 99: expected 1…64"),
        (["up", "--port-base", "http"], 2, "--port-base http: expected a port or auto"),
        (["up", "--exec-delay", "soon"], 2, "--exec-delay: expected seconds"),
        (["up", "--corpus", "/nowhere"], 2, "--corpus /nowhere: no such folder"),
        (["kill", "node1", "--only", "both"], 2, "--only both: expected provider or axl"),
        (["submit", "why?", "--key", "x.pem"], 2, "--key goes with --axl"),
        (["submit", "why?", "--byzantine", "9"], 2, "--byzantine 9: expected 0 to 5 members"),
        (["submit", "why?", "--byzantine", "x"], 2, "--byzantine"),
        (["submit", "why?", "--submitter-weight", "0"], 2, "--submitter-weight 0: expected 1 to 16 votes"),
        (["submit", "why?", "--retries", "0"], 2, "--retries 0: expected 1 to 5"),
        (["submit", "why?", "--max-price", "nan"], 2, "--max-price nan: expected 0 to 1000000 AXL"),
        (["submit", "why?", "--timeout", "soon"], 2, "--timeout: expected seconds"),
        (
            ["submit", "why?", "--auction-timeout", "61s"],
            2,
            "--auction-timeout 61: expected 0.001 to 60 seconds",
        ),
        (["submit", "why?", "--execution-timeout", "0"], 2, "--execution-timeout 0: expected 0.001 to 86400"),
        (["verify", "receipt", "/nowhere"], 2, "receipt /nowhere: No such file"),
        (["verify", "receipt", "/etc/passwd"], 1, "proves nothing"),
        (["nodes"], 3, "no mesh runs in"),
        (["down"], 3, "no mesh runs in"),
        (["submit", "why?"], 3, "no mesh runs in"),
        (["attach"], 3, "no mesh runs in"),
        (["--run-dir", "x", "jobs"], 2, "options go after the command"),
    ],
)
def test_a_mistake_is_one_line_and_a_hint(args: list[str], code: int, line: str, tmp_path: Path) -> None:
    done = whisper(*args, cwd=tmp_path)
    assert done.returncode == code
    assert done.stdout == ""
    said = done.stderr.splitlines()
    assert said[0].startswith("whisper-tui: ")
    assert line in said[0]
    assert len(said) <= 2


def test_options_before_the_command_are_shown_where_they_belong(tmp_path: Path) -> None:
    done = whisper("--run-dir", "my mesh", "jobs", "--tail", "3", cwd=tmp_path)
    assert done.stderr.splitlines()[1].endswith("whisper-tui jobs --run-dir 'my mesh' --tail 3")
    assert cli.with_command_first(["--run-dir", "x", "verify", "receipt", "f"]) == (
        "whisper-tui verify --run-dir x receipt f"
    )
    assert cli.with_command_first(["--run-dir", "x", "frobnicate"]) == ""


def test_a_folder_that_was_deleted_is_named_as_the_reason(tmp_path: Path) -> None:
    program = "import os; os.rmdir(os.getcwd()); from whisper_tui.cli import main; main()"
    (tmp_path / "gone").mkdir()
    argv = [sys.executable, "-c", program, "nodes"]
    done = subprocess.run(argv, cwd=tmp_path / "gone", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "whisper-tui: the folder that this shell is in is not there any more",
    )


def test_a_hint_about_a_mesh_elsewhere_names_its_directory(tmp_path: Path) -> None:
    for args in (["nodes"], ["submit", "why?"], ["down"], ["jobs", "--tail", "3"]):
        hint = whisper(*args, "--run-dir", "my mesh", cwd=tmp_path).stderr.splitlines()[1]
        assert "whisper-tui up --run-dir 'my mesh'`" in hint
        assert "--run-dir 'my mesh'" not in whisper(*args, cwd=tmp_path).stderr.splitlines()[1]
    told = whisper("doctor", "--run-dir", "my mesh", cwd=tmp_path).stdout.splitlines()[-1]
    assert "whisper-tui up --run-dir 'my mesh'" in told  # with other ports, where the usual ones are in use


def test_a_refused_start_leaves_no_folder_behind(tmp_path: Path) -> None:
    for refused in (["--count", "99"], ["--corpus", "/nowhere"], ["--axl-node", "/nowhere"]):
        assert whisper("up", "--run-dir", "new", *refused, cwd=tmp_path).returncode == 2
        assert not (tmp_path / "new").exists()


def test_debug_shows_where_it_went_wrong(tmp_path: Path) -> None:
    done = whisper("nodes", "--debug", cwd=tmp_path)
    assert "Traceback" in done.stderr
    assert "MeshUnreachable" in done.stderr


def test_what_is_wrong_is_said_inert(tmp_path: Path) -> None:
    done = whisper("--script", "\x1b]0;owned\x07\u202e\x9b31m", cwd=tmp_path)
    assert done.returncode == 2
    assert "owned" in done.stderr
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(done.stderr)


def test_a_bad_env_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FAST_MODE\n")
    done = whisper("up", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("whisper-tui: .env line 1: expected NAME=VALUE")


def test_a_damaged_run_file_is_one_line_and_stays(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{")
    done = whisper("up", "--run-dir", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert "run.json cannot be used" in done.stderr.splitlines()[0]
    assert (tmp_path / "run" / "run.json").read_text() == "{"


def test_an_empty_run_file_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").touch()
    done = whisper("up", "--run-dir", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].endswith("cannot be used: it is empty")
    assert "move it away" in done.stderr.splitlines()[1]


def test_a_folder_that_the_mesh_keeps_and_that_is_gone_is_not_blamed_on_a_flag(tmp_path: Path) -> None:
    """The run directory names the folder, and whoever types `up` has not."""
    run = RunDir(tmp_path / "run")
    run.make()
    plan = make_plan(None, Wishes(count=1, auto_ports=True, light=True))
    plans.save(run.plan, msgspec.structs.replace(plan, corpus="/notes"))
    done = whisper("up", "--detach", "--run-dir", "run", cwd=tmp_path)
    line, hint = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.endswith(
        f"the mesh in {run.root} answers from the folder /notes, which is not there any more"
    )
    assert "up --run-dir run --corpus DIR, or --corpus builtin" in hint


def test_no_command_means_up() -> None:
    assert cli.with_command([]) == ["up"]
    assert cli.with_command(["--count", "3"]) == ["up", "--count", "3"]
    assert cli.with_command(["nodes"]) == ["nodes"]
    assert cli.with_command(["--script", "judge"]) == ["--script", "judge"]
    assert cli.with_command(["--run-dir", "x", "--script=judge"]) == ["--run-dir", "x", "--script=judge"]
    assert cli.with_command(["--help"]) == ["--help"]


def test_keys_are_listed_and_made_but_never_shown(tmp_path: Path) -> None:
    made = whisper("keys", "--make", "mine.pem", "--json", cwd=tmp_path)
    private = keys.load(tmp_path / "mine.pem")
    assert json.loads(made.stdout)["peer"] == private.peer.hex()
    assert private.seed.hex() not in made.stdout
    again = whisper("keys", "--make", "mine.pem", cwd=tmp_path)
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_the_keys_that_guests_ask_with_are_explained(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    run.make()
    prepare(run, make_plan(None, Wishes(count=1, auto_ports=True, light=True)))
    shown = whisper("keys", "--run-dir", "run", cwd=tmp_path).stdout.splitlines()
    assert len(shown) == 1 + 2 + 4 + 1
    assert shown[-1].startswith("submitter1 to submitter4 are for guests: ")
    assert "submit --run-dir run --axl URL" in shown[-1]


def test_doctor_says_what_to_type_next(tmp_path: Path) -> None:
    run = RunDir(tmp_path / ".whisper")
    run.make()
    plans.save(run.plan, make_plan(None, Wishes(auto_ports=True)))  # whoever listens on the usual ports
    findings = json.loads(whisper("doctor", "--json", cwd=tmp_path).stdout)
    by_name = {finding["name"]: finding for finding in findings}
    assert by_name["packages"]["verdict"] == "ok"
    assert by_name["next"]["text"].startswith("type: ")
    assert by_name["next"]["text"].endswith("whisper-tui up")
    assert {"python", "local model", "search", "run directory", "ports", "open files", "disk"} <= set(by_name)


def test_a_command_line_can_be_typed_as_it_is_shown() -> None:
    assert command_line("kill", "node1", only=None) == "whisper-tui kill node1"
    assert command_line("submit", "what's $HOME?") == "whisper-tui submit 'what'\"'\"'s $HOME?'"
    assert command_line("kill", "a", only="axl") == "whisper-tui kill a --only axl"


def test_terms_are_typed_as_they_are_shown() -> None:
    typed = {"max-price": 0.05, "byzantine": 1, "submitter-weight": 2, "retries": 5, "auction-timeout": 0.9}
    terms = read_terms({**typed, "execution-timeout": 30, "timeout": None})
    assert terms.args() == {
        "max_price_micro": 50_000,
        "fault_bound": 1,
        "submitter_weight": 2,
        "retries": 5,
        "auction_ms": 900,
        "execution_ms": 30_000,
    }
    shown = command_line("submit", "why?", **terms.flags())
    assert shown == (
        "whisper-tui submit 'why?' --max-price 0.05 --byzantine 1 --submitter-weight 2 --retries 5 "
        "--auction-timeout 0.9 --execution-timeout 30"
    )


def test_every_command_takes_the_options_that_the_readme_says_it_takes() -> None:
    takes = {name: set(options) for name, options in options_by_command().items()}
    assert {name for name, options in takes.items() if "--json" not in options} == {"serve"}
    elsewhere = {"verify receipt", "config check"}
    assert {name for name, options in takes.items() if "--run-dir" not in options} == elsewhere


def options_by_command() -> dict[str, list[str]]:
    """What each command takes, by its name; those of a group by both names."""
    found: dict[str, list[str]] = {}

    def look(command: Any, *names: str) -> None:
        for name, below in getattr(command, "commands", {}).items():
            look(below, *names, name)
        if not hasattr(command, "commands"):
            found[" ".join(names)] = [option for param in command.params for option in param.opts]

    look(typer.main.get_command(cli.app))
    return found


@pytest.mark.parametrize(
    ("typed", "offered"), [("at", {"attach"}), ("re", {"revive", "replay", "recordings"})]
)
def test_a_shell_completes_the_names_of_commands(typed: str, offered: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from whisper_tui.cli import main; main()"],
        env={
            "PATH": "/usr/bin:/bin",
            "_WHISPER_TUI_COMPLETE": "complete_bash",
            "COMP_WORDS": f"whisper-tui {typed}",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(done.stdout.split()) == offered


def test_every_command_has_a_line_of_help_that_is_not_cut() -> None:
    def look(command: Any, name: str) -> None:
        assert command.help, name
        assert not command.get_short_help_str(64).endswith("..."), f"{name}: {command.help}"
        for below, inner in getattr(command, "commands", {}).items():
            look(inner, f"{name} {below}")

    look(typer.main.get_command(cli.app), "whisper-tui")
