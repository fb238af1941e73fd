"""The environment, `.env`, and which backends they lead to."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec
import pytest

from whisper_tui import backends, settings
from whisper_tui.doctor import Finding, examine
from whisper_tui.errors import BadInput
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor.child import child_environment
from whisper_tui.supervisor.plan import Plan
from whisper_tui.supervisor.rundir import RunDir


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in settings.VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)


def read(tmp_path: Path, content: str) -> settings.Settings:
    (tmp_path / ".env").write_text(content)
    return settings.read(tmp_path / ".env")


def test_habits_are_understood(tmp_path: Path) -> None:
    found = read(tmp_path, "# demo\nFAST_MODE=1\nexport EXEC_DELAY='15'\n\nWHISPER_MODEL = tiny # small\n")
    assert found.fast is True
    assert found.exec_delay == 15
    assert found.get("WHISPER_MODEL") == "tiny"


def test_what_is_no_setting_of_ours_is_ignored_and_named(tmp_path: Path) -> None:
    found = read(tmp_path, "PYTHONPATH=/planted\nFAST_MODE=1\nLD_PRELOAD=x.so\nHTTPS_PROXY=http://x\n")
    assert found.fast is True
    assert not {"PYTHONPATH", "LD_PRELOAD", "HTTPS_PROXY"} & (found.environment.keys() - os.environ.keys())
    told = f"{tmp_path / '.env'}: PYTHONPATH, LD_PRELOAD, HTTPS_PROXY ignored, not a setting of Whisper"
    assert found.ignored == told
    assert read(tmp_path, "FAST_MODE=1\n").ignored == ""
    many = read(tmp_path, "".join(f"V{number}=1\n" for number in range(100)))
    assert many.ignored.endswith("V7 and 92 more ignored, not a setting of Whisper")


def test_somebody_elses_file_is_ignored_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    found = read(tmp_path, "FAST_MODE=1\nWHISPER_OPENAI_URL=http://127.0.0.1:9/v1\n")
    assert found.fast is None and not found.get("WHISPER_OPENAI_URL")
    assert "not to you: it is ignored" in found.ignored


def test_without_anything_nothing_is_said(tmp_path: Path) -> None:
    found = settings.read(tmp_path / ".env")
    assert (found.fast, found.exec_delay) == (None, None)


def test_a_value_that_no_process_can_be_given_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_bytes(b"FAST_MODE=1\nWHISPER_MODEL=a\0b\n")
    with pytest.raises(BadInput, match=r"\.env line 2: expected NAME=VALUE"):
        settings.read(tmp_path / ".env")


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAST_MODE", "0")
    assert read(tmp_path, "FAST_MODE=1").fast is False


@pytest.mark.parametrize("line", ["FAST_MODE", "=1", "A B=1", "1A=2"])
def test_a_line_that_means_nothing_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadInput, match=r"\.env line 2: expected NAME=VALUE"):
        read(tmp_path, f"# first\n{line}\n")


@pytest.mark.parametrize("line", ["FAST_MODE=maybe", "EXEC_DELAY=soon", "EXEC_DELAY=-1", "EXEC_DELAY=nan"])
def test_a_value_that_means_nothing_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadInput, match=line):
        read(tmp_path, line)


def test_a_file_that_is_not_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="cannot be read: it is no text"):
        settings.read(tmp_path / ".env")


def test_ollama_is_used_where_it_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr(backends, "OLLAMA_DEFAULT_URL", url)
        found = backends.choose(settings.read(tmp_path / ".env"), light=False, model_port=1)
        assert (found.ollama_url, found.ollama_model) == (url, "llama3.2")
        assert backends.choose(settings.read(tmp_path / ".env"), light=True, model_port=1).ollama_url == ""
    found = backends.choose(settings.read(tmp_path / ".env"), light=False, model_port=1)
    assert found.ollama_url == ""


def test_a_server_that_was_named_is_used_even_while_it_is_down(tmp_path: Path) -> None:
    found = read(tmp_path, "OLLAMA_BASE_URL=http://127.0.0.1:9/\nWHISPER_OPENAI_URL=http://127.0.0.1:9/v1\n")
    chosen = backends.choose(found, light=False, model_port=1)
    assert chosen.ollama_url == "http://127.0.0.1:9"
    assert chosen.openai_url == "http://127.0.0.1:9/v1"
    assert chosen.openai_key_env == ""


@pytest.mark.parametrize("url", ["localhost:11434", "ftp://x", "http://", "http://x:99999999"])
def test_a_url_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadInput, match="expected a URL"):
        backends.choose(read(tmp_path, f"OLLAMA_BASE_URL={url}"), light=False, model_port=1)


def examined(run: RunDir, tmp_path: Path, env: str | bytes = "") -> dict[str, Finding]:
    """What the doctor finds with this `.env`, by name."""
    (tmp_path / ".env").write_bytes(env if isinstance(env, bytes) else env.encode())
    return {finding.name: finding for finding in examine(run, tmp_path / ".env")}


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ("nonsense\n", ".env line 1: expected NAME=VALUE"),
        ("EXEC_DELAY=abc\n", "EXEC_DELAY=abc: expected seconds"),
        ("OLLAMA_BASE_URL=localhost\n", "OLLAMA_BASE_URL=localhost: expected a URL"),
        (b"\xff\xfe", "it is no text"),
    ],
)
def test_settings_that_cannot_be_used_are_one_finding_among_the_others(
    run: RunDir, tmp_path: Path, env: str | bytes, told: str
) -> None:
    found = examined(run, tmp_path, env)
    assert found["environment"].verdict == "bad" and told in found["environment"].text
    assert found["packages"].verdict == "ok" and "disk" in found
    assert found["next"].text.startswith("first mend environment: ")


def test_what_to_do_next_is_to_mend_what_keeps_a_mesh_from_working(
    run: RunDir, plan: Plan, tmp_path: Path
) -> None:
    plans.save(run.plan, msgspec.structs.replace(plan, auto_ports=False))
    assert examined(run, tmp_path)["next"].text.startswith("type: ")
    with socket.create_server(("127.0.0.1", plan.operator.control_port)):
        found = examined(run, tmp_path)
    assert found["ports"].verdict == found["next"].verdict == "bad"
    assert found["next"].text.startswith("first mend ports: ")
    assert found["next"].text.endswith(f"up --run-dir {os.path.relpath(run.root)} --port-base auto") or (
        found["next"].text.endswith(f"up --run-dir {run.root} --port-base auto")
    )


def test_doctor_says_what_of_the_file_was_ignored(run: RunDir, tmp_path: Path) -> None:
    found = examined(run, tmp_path, "PYTHONPATH=/planted\n")
    assert (found["environment"].verdict, "PYTHONPATH" in found["environment"].text) == ("note", True)


def test_children_get_no_secret_they_do_not_need() -> None:
    own = {"PATH": "/bin", "AWS_SECRET_ACCESS": "x", "GITHUB_TOKEN": "x", "WHISPER_OPENAI_KEY": "k"}
    assert child_environment(own) == {"PATH": "/bin"}
    assert child_environment(own, "WHISPER_OPENAI_KEY") == {"PATH": "/bin", "WHISPER_OPENAI_KEY": "k"}


def test_doctor_says_what_a_run_directory_keeps_for_the_next_start(
    run: RunDir, plan: Plan, tmp_path: Path
) -> None:
    plans.save(run.plan, msgspec.structs.replace(plan, corpus="/notes", exec_delay=15.0))
    assert examined(run, tmp_path)["settings"].text == (
        "kept here: 2 providers, default timers, answers held 15 s, light, not recorded, chain off, corpus /notes, AXL node built in"
    )


def test_doctor_names_the_proxy_through_which_a_remote_server_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@{proxy}/")
        url = "WHISPER_OPENAI_URL=https://models.example/v1\n"
        found = examined(RunDir(tmp_path / "run"), tmp_path, url)["openai-compatible"]
        said = read(tmp_path, url)
    assert found.verdict == "ok"
    assert found.text == f"https://models.example/v1, through the proxy {proxy} that the environment names"
    spared = {**said.environment, "NO_PROXY": "models.example"}
    assert backends.proxy_of("https://models.example/v1", spared) == ""
    assert backends.proxy_of("https://127.0.0.1/v1", said.environment) == ""
    assert backends.proxy_of("http://models.example/v1", said.environment) == ""
