"""The configuration file: what it says is in force; what is wrong with it is one line with its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.console.feeder import rescue_story
from tests.unit.console.harness import Bench
from whisper_tui.config.in_force import Flags, in_force
from whisper_tui.config.keys import bound
from whisper_tui.config.reading import find, load, parse
from whisper_tui.config.schema import Configuration
from whisper_tui.errors import BadInput
from whisper_tui.keymap import KEYS, Bound

HERE = Path("/somewhere/config.toml")


def test_everything_a_file_may_say_is_read() -> None:
    read = parse(
        """
theme = "deuteranopia"
refresh_hz = 2
ascii = true
mouse = false
read_only = true

[keys]
submit = "n"
cursor_down = ["j", "down", "ctrl+n"]

[contexts.lab]
control = "http://127.0.0.1:9105"
token_file = "lab.token"

[contexts.home]
run_dir = "~/mesh"
""",
        HERE,
    )
    assert read.values == {
        "theme": "deuteranopia",
        "refresh_hz": 2,
        "ascii": True,
        "mouse": False,
        "read_only": True,
    }
    assert read.keys["submit"] == Bound("n", "n")
    assert read.keys["cursor_down"] == Bound("j,down,ctrl+n", "j down ctrl+n")
    lab, home = read.contexts
    assert (lab.control, lab.token_file) == ("http://127.0.0.1:9105", Path("/somewhere/lab.token"))
    assert home.run_dir == Path.home() / "mesh"


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('theme = "neon"', 1, "theme: expected one of default, deuteranopia"),
        ("\nrefresh_hz = 0", 2, "refresh_hz: expected a whole number from 1 to 20"),
        ("refresh_hz = true", 1, "refresh_hz: expected a whole number"),
        ("ascii = 1", 1, "ascii: expected true or false"),
        ("# first\ncolour = 1", 2, "colour: no such setting; there are theme"),
        ('theem = "mono"', 1, "theem: no such setting; is theme meant?"),
        ('theme = "mono"\ntheme = "ansi"', 2, "Cannot overwrite a value"),
        ("theme =", 1, "Invalid value"),
        ('[keys]\n\nsubmti = "n"', 3, "keys.submti: no key has this id; is submit meant?"),
        ('[keys]\nsubmit = "k"', 2, "keys.submit: k is cursor_up (up)"),
        ('[keys]\nsubmit = "X"', 2, "keys.submit: X is chaos"),
        ('[keys]\nsubmit = "n"\nchaos = "n"', 2, "keys.submit: n is chaos"),
        ('[keys]\nyes = "n"', 2, "keys.yes: n is no"),
        ('[keys]\nyes = "enter"', 2, "neither enter nor space says yes"),
        ('[keys]\nkill = "esc"', 2, "keys.kill: esc is back"),
        ('[keys]\nsubmit = "hyper+s"', 2, "keys.submit: hyper+s is no key"),
        ("[keys]\nsubmit = []", 2, "keys.submit: expected a key"),
        ("[keys]\nsubmit = 5", 2, 'keys.submit: expected a key such as "n"'),
        ('keys = "vim"', 1, "keys: expected a table"),
        ("[contexts.lab]\nrun_dri = 'x'", 2, "contexts.lab.run_dri: no such setting"),
        ("[contexts.lab]", 1, "contexts.lab: expected either run_dir, or control and token_file"),
        ("[contexts.lab]\ncontrol = 'http://h:1'", 2, "contexts.lab.control: token_file is missing"),
        ("[contexts.lab]\ncontrol = 'https://h'\ntoken_file = 't'", 2, "expected http://HOST:PORT"),
        ("[contexts.lab]\ncontrol = 'http://u:secret@h:1'\ntoken_file = 't'", 2, "nothing secret"),
        ("[contexts.lab]\nrun_dir = 'x'\ntoken_file = 't'", 3, "a run directory has its own token"),
        ("[contexts.'a b']\nrun_dir = 'x'", 1, "contexts.a b: a name has up to 32 letters"),
        ("contexts.lab = { run_dir = 5 }", 1, "contexts.lab.run_dir: expected text"),
    ],
)
def test_a_mistake_is_one_line_with_its_file_and_line(text: str, line: int, told: str) -> None:
    with pytest.raises(BadInput) as wrong:
        parse(text, HERE)
    assert wrong.value.message.startswith(f"{HERE} line {line}: "), wrong.value.message
    assert told in wrong.value.message
    assert "secret@" not in wrong.value.message


def test_keys_that_trade_places_or_keep_what_they_have_are_no_conflict() -> None:
    assert parse('[keys]\nsubmit = "p"\nfreeze = "s"', HERE).keys["freeze"].keys == "s"
    for key in KEYS:
        parse(f"[keys]\n{key.id} = {key.keys.split(',')}", HERE)


def test_every_key_has_an_id_of_its_own() -> None:
    assert len({key.id for key in KEYS}) == len(KEYS)


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("?", "question_mark"),
        ("/", "slash"),
        ("[", "left_square_bracket"),
        ("{", "left_curly_bracket"),
        (".", "full_stop"),
        ("-", "minus"),
        ("+", "plus"),
        ("_", "underscore"),
        ("X", "X,shift+x"),
        ("ctrl+k", "ctrl+k"),
        ("PgDn", "pagedown"),
        ("shift+f5", "shift+f5"),
    ],
)
def test_keys_are_written_as_people_write_them(written: str, named: str) -> None:
    from textual.keys import _character_to_key

    assert bound([written]).keys == named
    if len(written) == 1 and not written.isalnum():
        assert _character_to_key(written) == named, "Textual calls it so"


def test_the_flag_counts_before_the_variable_and_that_before_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("WHISPER_CONFIG", raising=False)
    assert find(None) == (tmp_path / "whisper" / "config.toml", "")
    assert load(None) == Configuration(), "it need not be there"
    monkeypatch.setenv("WHISPER_CONFIG", str(tmp_path / "named.toml"))
    with pytest.raises(BadInput, match="No such file"):
        load(None)
    (tmp_path / "flag.toml").write_text('theme = "mono"')
    assert load(tmp_path / "flag.toml").values == {"theme": "mono"}


def test_a_file_that_others_can_write_is_not_acted_on(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("")
    path.chmod(0o666)
    with pytest.raises(BadInput, match="can be written by others") as wrong:
        load(path)
    assert "--config FILE" in wrong.value.hint


def test_what_is_in_force_says_who_says_so() -> None:
    read = parse('\ntheme = "ansi"\nrefresh_hz = 10', HERE)
    plain = in_force(read, environ={}, encoding="utf-8")
    assert plain["theme"] == ("ansi", f"{HERE} line 2")
    assert plain["mouse"] == (True, "default")
    assert in_force(Configuration(), environ={"SSH_CONNECTION": "x"})["refresh_hz"] == (2, "SSH_CONNECTION")
    assert in_force(read, environ={"SSH_CONNECTION": "x"})["refresh_hz"] == (10, f"{HERE} line 3")
    assert in_force(read, environ={"NO_COLOR": "1"})["theme"] == ("mono", "NO_COLOR")
    typed = in_force(read, Flags(theme="default", ascii=True), {"NO_COLOR": "1"}, "utf-8")
    assert typed["theme"] == ("default", "--theme") and typed["ascii"] == (True, "--ascii")
    assert in_force(read, environ={}, encoding="latin-1")["ascii"] == (True, "the terminal's encoding")
    with pytest.raises(BadInput, match="--theme neon: expected one of"):
        in_force(read, Flags(theme="neon"))


def whisper(*args: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from whisper_tui.cli import main; main()"]
    return subprocess.run([*program, *args], capture_output=True, text=True, check=False)


def test_config_shows_the_line_of_every_value_and_check_says_that_a_file_is_fine(tmp_path: Path) -> None:
    token = tmp_path / "lab.token"
    token.write_text("a" * 64)
    token.chmod(0o600)
    file = tmp_path / "config.toml"
    file.write_text(
        'theme = "ansi"\n[keys]\nsubmit = "n"\n'
        '[contexts.lab]\ncontrol = "http://127.0.0.1:9105"\ntoken_file = "lab.token"\n'
    )
    shown = whisper("config", "--config", str(file))
    assert shown.returncode == 0, shown.stderr
    rows = {line.split()[0]: line.split() for line in shown.stdout.splitlines() if line}
    assert rows["theme"][1:4] == ["ansi", "line", "1"] and rows["mouse"][1:3] == ["true", "default"]
    assert rows["keys.submit"][1:4] == ["n", "line", "3"]
    assert rows["contexts.lab"][1:4] == ["http://127.0.0.1:9105", "line", "4"]
    assert "a" * 64 not in shown.stdout
    checked = whisper("config", "check", str(file))
    assert (checked.returncode, checked.stdout) == (0, f"{file}: fine: 1 setting, 1 key, 1 context\n")
    token.chmod(0o644)
    checked = whisper("config", "check", str(file))
    assert checked.returncode == 2
    assert f"{file} line 6: {token} can be read by others" in checked.stderr


async def test_a_key_that_was_bound_otherwise_does_it_and_is_what_hints_and_help_say() -> None:
    keys = parse('[keys]\nsubmit = "n"\nhelp = ["f1", "h"]\nkill = "d"\nback = "f12"', HERE).keys
    bench = Bench(rescue_story(until="running"), keys=keys)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        assert " n submit" in bench.lines()[-1] and " s submit" not in bench.lines()[-1]
        await bench.press(pilot, "s")
        assert "Ask the mesh" not in bench.text()
        await bench.press(pilot, "n")
        assert "Ask the mesh" in bench.text() and "f12 leave" in bench.text()
        await bench.press(pilot, "f12", "h")
        assert "n          ask the mesh a question" in bench.text() and "f1 h" in bench.text()
        await bench.press(pilot, "f12", "j", "j", "j", "X")
        assert "d kill" in bench.lines()[-1]
        await bench.press(pilot, "d", "y")
        assert bench.deeds.done == [("kill", "node4")]
