"""`config`: what is in force and who says so; whether a file is fine."""

from __future__ import annotations

from pathlib import Path

from whisper_tui import ownership
from whisper_tui.commands.output import print_json, print_line, print_table
from whisper_tui.config.in_force import DEFAULT, in_force
from whisper_tui.config.reading import VARIABLE, find, load
from whisper_tui.config.schema import SETTINGS, Configuration
from whisper_tui.errors import BadInput
from whisper_tui.keymap import KEYS
from whisper_tui.model.inert import inert
from whisper_tui.model.numbers import counted

_EXAMPLE = """it may say, for instance:

  theme = "deuteranopia"
  [keys]
  submit = "n"
  [contexts.lab]
  control = "http://127.0.0.1:9105"
  token_file = "lab.token"
"""


def show(flag: Path | None, as_json: bool) -> None:
    """Settings, keys that are bound otherwise, and contexts, each with where it comes from."""
    configuration = load(flag)
    settings = in_force(configuration)
    if as_json:
        print_json(
            {
                "file": str(find(flag)[0]),
                "found": configuration.path is not None,
                "settings": {name: said._asdict() for name, said in settings.items()},
                "keys": {id: bound.shown.split() for id, bound in configuration.keys.items()},
                "contexts": {context.name: context.where for context in configuration.contexts},
            }
        )
        return
    path, named_by = find(flag)
    found = "" if configuration.path else ": there is none"
    print_line(inert(f"{path}{found}{f' (by {named_by})' if named_by else ''}", 400))
    print_line("")
    rows: list[tuple[str, str, str, str]] = []
    for setting in SETTINGS:
        said = settings[setting.name]
        rows.append((setting.name, _toml(said.value), _short(said.origin, configuration), setting.meaning))
    for key in KEYS:
        if key.id in configuration.keys:
            place = _line(configuration, f"keys.{key.id}")
            rows.append((f"keys.{key.id}", configuration.keys[key.id].shown, place, key.help))
    for context in configuration.contexts:
        place = _line(configuration, f"contexts.{context.name}")
        rows.append(
            (
                f"contexts.{context.name}",
                context.where,
                place,
                "a mesh for `attach NAME` and the console's list",
            )
        )
    print_table(("SETTING", "IN FORCE", "FROM", "MEANING"), rows, "")
    if not configuration.path:
        print_line(f"\n{_EXAMPLE}")


def check(file: Path | None, as_json: bool) -> None:
    """Say that the file is fine; BadInput says what is wrong with it, or with the token files it names."""
    path, _ = find(file)
    if not path.exists():
        raise BadInput(
            f"{path}: No such file", f"name one: `whisper-tui config check FILE`, or set {VARIABLE}"
        )
    configuration = load(path)
    for context in configuration.contexts:
        if context.token_file is not None:
            _check_token(configuration, context.name, context.token_file)
    counts = {
        "setting": len(configuration.values),
        "key": len(configuration.keys),
        "context": len(configuration.contexts),
    }
    if as_json:
        print_json({"file": str(path), **{f"{noun}s": count for noun, count in counts.items()}})
        return
    told = [counted(count, noun) for noun, count in counts.items()]
    print_line(inert(f"{path}: fine: {', '.join(told)}", 400))


def _check_token(configuration: Configuration, name: str, token_file: Path) -> None:
    where = f"{configuration.path} line {_number(configuration, f'contexts.{name}.token_file')}"
    try:
        ownership.read(token_file, secret=True, other="or name another file")
    except OSError as error:
        raise BadInput(f"{where}: {token_file}: {error.strerror}") from error
    except BadInput as error:
        raise BadInput(f"{where}: {error.message}", error.hint) from error


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _short(origin: str, configuration: Configuration) -> str:
    """The file is named once, above."""
    return origin.removeprefix(f"{configuration.path} ") if origin != DEFAULT else DEFAULT


def _line(configuration: Configuration, name: str) -> str:
    return f"line {_number(configuration, name)}"


def _number(configuration: Configuration, name: str) -> int:
    return configuration.lines.get(name, 1)
