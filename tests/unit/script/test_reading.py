"""Reading scripts: every mistake is found before anything starts, with its file and line."""

import pytest

from whisper_tui.errors import BadInput
from whisper_tui.script.reading import built_in, load, parse
from whisper_tui.script.schema import Condition, Script

GOOD = """
name = "good"
timeout = "1m"
mesh = { nodes = 4, fast = true, exec_delay = "1500ms" }

[vars]
query = "what?"
count = 3

[[step]]
about = "ask"
do = "submit"
args = { query = "${query}" }
save = { q = "query.last" }

[[step]]
wait = { path = "query.${q}.running", ge = 3 }
within = "5s"

[[step]]
expect = [{ path = "jobs.settled_twice", eq = 0 }, { path = "audit.node4.settled", eq = 0 }]
"""


def read(text: str, **given: str) -> Script:
    return parse(text, "a.toml", given)


def problem(text: str, **given: str) -> str:
    with pytest.raises(BadInput) as caught:
        read(text, **given)
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.message
    return caught.value.message


def step(text: str) -> str:
    """A script whose one step starts on line 3."""
    return f'name = "x"\n\n[[step]]\n{text}\n'


def test_a_script_is_read_whole() -> None:
    script = read(GOOD, query="why?")
    assert (script.name, script.timeout_s, script.mesh.nodes, script.mesh.exec_delay_s) == (
        "good",
        60.0,
        4,
        1.5,
    )
    assert script.variables == {"query": "why?", "count": "3"}
    ask, wait, expect = script.steps
    assert (ask.kind, ask.action, ask.args.query, ask.line) == ("do", "submit", "${query}", 10)
    assert ask.save == {"q": "query.last"}
    assert wait.conditions == (Condition("query.${q}.running", "ge", 3),)
    assert (wait.within_s, wait.line) == (5.0, 16)
    assert [condition.path for condition in expect.conditions] == [
        "jobs.settled_twice",
        "audit.node4.settled",
    ]


@pytest.mark.parametrize("name", built_in())
def test_every_built_in_script_is_sound(name: str) -> None:
    script = load(name, {})
    assert script.name == name
    assert script.about


def test_the_promised_scripts_are_built_in() -> None:
    assert {"judge", "verify", "chaos", "partition"} <= set(built_in())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('name = "x"\nwhat is this\n', "a.toml:2: not TOML: expected '='"),
        ('name = "x"\n[[step]]\ndo = "heal\n', "a.toml:3: not TOML"),
        ("name = " + "[" * 5_000, "a.toml:1: not TOML: nested too deeply"),
        (f"name = {'9' * 5_000}", "a.toml:1: not TOML: Exceeds the limit"),
        ('name = "x"\nsorce = "live"\n[[step]]\ndo = "heal"\n', "a.toml:2: sorce is not known here"),
        ('timeout = "1m"\n[[step]]\ndo = "heal"\n', "a.toml:1: name is missing"),
        ('name = "x"\n\n', "expected at least one [[step]]"),
        ('name = "x"\ntimeout = "soon"\n[[step]]\ndo = "heal"\n', "a.toml:2: expected a duration such as 3s"),
        (
            'name = "x"\nmesh = { nodes = 0 }\n[[step]]\ndo = "heal"\n',
            "a.toml:2: mesh.nodes: expected 1…64, not 0",
        ),
        (
            'name = "x"\n[mesh]\nnodes = "six"\n[[step]]\ndo = "heal"\n',
            "a.toml:2: mesh.nodes: expected int, got str",
        ),
        (
            'name = "x"\nsource = "replay"\n[[step]]\npress = "1"\n',
            'a.toml:2: source "replay": expected recording = ',
        ),
        (
            'name = "x"\nrecording = "a.rec"\n[[step]]\npress = "1"\n',
            'a.toml:2: recording: belongs to source = "replay"',
        ),
        (
            'name = "x"\nsource = "replay"\nrecording = "a.rec"\nmesh = { nodes = 6 }\n[[step]]\npress = "1"\n',
            "a.toml:4: mesh: a recording has the mesh that was recorded",
        ),
        (
            'name = "x"\nsource = "simulation"\nmesh = { corpus = "docs" }\n[[step]]\npress = "1"\n',
            "a.toml:3: mesh.corpus: answers of a simulation come from no documents",
        ),
        (
            'name = "x"\nsource = "simulation"\nmesh = { nodes = 501 }\n[[step]]\npress = "1"\n',
            "a.toml:3: mesh.nodes: expected 1…500, not 501",
        ),
        (
            'name = "x"\nsource = "moon"\n[[step]]\ndo = "heal"\n',
            'a.toml:2: source "moon" is not known; expected one of live, simulation, replay',
        ),
        (
            'name = "x"\n[vars]\n"a b" = 1\n[[step]]\ndo = "heal"\n',
            "a.toml:3: 'a b' is no name of a variable",
        ),
    ],
)
def test_a_mistake_outside_the_steps_is_named_with_its_line(text: str, expected: str) -> None:
    assert expected in problem(text)


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ('press = ["X", "hyper+x"]', 4, "press: 'hyper+x' is no key: expected one character, backspace, "),
        ("press = []", 4, "press: expected at least one key"),
        ('type = "two\\nlines"', 4, "type: '\\n' cannot be typed"),
        ('about = "x"\ncapture = "svg"', 5, "capture: expected a file name that ends with .svg or .txt"),
        ('capture = "../x.svg"', 4, "without a folder, not '../x.svg'"),
        ('cast = "x.cast"', 4, "cast is asked for on the command line: --cast FILE"),
        (
            'press = "s"\ntype = "x"',
            3,
            "says press and type: expected exactly one of do, press, type, capture",
        ),
        ('expect = { path = "screen", eq = "x" }', 4, "screen: expected contains or matches, not eq"),
        ('save = { s = "screen" }', 4, "save: no such path: screen"),
        (
            'jump = "high"',
            4,
            "jump is no kind of step; expected one of do, press, type, capture, wait, expect, save",
        ),
        ('do = "heal"\nwait = { path = "nodes.up", eq = 1 }', 3, "says do and wait: expected exactly one"),
        (
            'about = "nothing"',
            3,
            "does nothing: expected exactly one of do, press, type, capture, wait, expect, save",
        ),
        ('do = "explode"', 4, "cannot do 'explode'; expected one of submit, kill"),
        ('do = "kill"', 4, "args of kill: nodes is missing"),
        ('do = "kill"\nargs = { nodes = "node1" }', 5, "args of kill: nodes: expected array, got str"),
        ('do = "heal"\nargs = { nodes = [] }', 5, "args of heal: nodes is not known here"),
        ('do = "kill"\nargs = { nodes = ["a"], only = "half" }', 5, "only: invalid enum value 'half'"),
        ('args = {}\nwait = { path = "nodes.up", eq = 1 }', 4, "args belong to do"),
        ("wait = 3", 4, "wait: expected"),
        ("wait = []", 4, "wait: expected at least one condition"),
        ('wait = { path = "nodes.up" }', 4, "expected { path"),
        (
            'wait = { path = "nodes.up", equals = 3 }',
            4,
            "with one of eq, ne, lt, le, gt, ge, contains, matches",
        ),
        ('wait = { path = "nodes.up", ge = 1, le = 3 }', 4, "expected { path"),
        (
            'about = "x"\nwait = { path = "nodes.upp", eq = 3 }',
            5,
            "no such path: nodes.upp; did you mean nodes.up",
        ),
        ('expect = { path = "audit.job_lost", eq = 0 }', 4, "did you mean audit.jobs_lost"),
        ('expect = { path = "run.stream", eq = 0 }', 4, "did you mean run.streamed or run.streaming"),
        ('wait = { path = "audit.jobs_lost", eq = 0 }', 4, "stores wake nobody"),
        ('save = { x = "audit.jobs_lost" }', 4, "stores wake nobody"),
        ('save = { "a-b" = "query.last" }', 4, "'a-b' is no name of a variable"),
        ('save = { x = "query.first" }', 4, "no such path: query.first"),
        ('expect = { path = "query.q1.answer.text", matches = "(" }', 4, "expected a regular expression"),
        ('within = "3"\ndo = "heal"', 4, "expected a duration such as 3s, 500ms or 2m, not '3'"),
        (
            'do = "submit"\nargs = { query = "${quest}" }',
            5,
            "${quest} is not set by [vars] or by an earlier save",
        ),
        ('expect = { path = "query.${q}.running", eq = 0 }', 4, "${q} is not set"),
        ('when = { path = "nodes.up" }\ndo = "heal"', 4, "when: expected { path"),
    ],
)
def test_a_mistake_in_a_step_is_named_with_its_line(text: str, line: int, expected: str) -> None:
    message = problem(step(text))
    assert message.startswith(f"a.toml:{line}: ")
    assert expected in message


def test_a_variable_may_be_used_only_after_it_was_saved() -> None:
    later = step('save = { q = "query.last" }') + '[[step]]\nexpect = { path = "query.${q}.total", eq = 6 }\n'
    assert len(read(later).steps) == 2
    earlier = 'name = "x"\n[[step]]\nexpect = { path = "query.${q}.total", eq = 6 }\n[[step]]\nsave = { q = "query.last" }\n'
    assert problem(earlier).startswith("a.toml:3: ")


def test_a_mistyped_variable_is_told_the_nearest_one() -> None:
    text = 'name = "x"\n[vars]\nquery = "q"\n[[step]]\ndo = "submit"\nargs = { query = "${qery}" }\n'
    assert "did you mean ${query}?" in problem(text)


def test_the_command_line_can_only_set_variables_that_there_are() -> None:
    with pytest.raises(BadInput, match=r"--var colour: a\.toml has no such variable") as caught:
        read(GOOD, colour="red")
    assert "query" in caught.value.hint
    assert read(GOOD, seed="7").variables["seed"] == "7"


def test_a_script_that_is_neither_built_in_nor_a_file_is_told_what_is_built_in() -> None:
    with pytest.raises(BadInput, match="no script jugde") as caught:
        load("jugde", {})
    assert "judge" in caught.value.hint


def test_a_file_that_is_not_text_is_refused_in_one_line(tmp_path) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="not UTF-8 text"):
        load(str(file), {})
    with pytest.raises(BadInput, match="cannot be read"):
        load(str(tmp_path), {})


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        (
            "minutes",
            "abc",
            "lasting: expected a duration such as 3s, 500ms or 2m, not 'abcm' (--var minutes=abc)",
        ),
        (
            "every",
            "soon",
            "every: expected a duration such as 3s, 500ms or 2m, not 'soon' (--var every=soon)",
        ),
        ("every", "0s", "every: expected more than nothing (--var every=0s)"),
        ("delay", "abc", "expected a duration such as 3s, 500ms or 2m, not 'abc'"),
    ],
)
def test_a_variable_that_makes_no_duration_is_refused_before_anything_starts(
    name: str, value: str, complaint: str
) -> None:
    with pytest.raises(BadInput) as caught:
        load("chaos", {name: value})
    assert caught.value.message.startswith("chaos.toml:")
    assert caught.value.message.endswith(complaint)


def test_a_duration_that_an_earlier_step_saves_is_not_known_yet() -> None:
    text = GOOD + '\n[[step]]\ndo = "storm"\nargs = { lasting = "${q}s", query = "why?" }\n'
    assert read(text).steps[-1].args.lasting == "${q}s"


@pytest.mark.parametrize(
    ("source", "asked", "complaint"),
    [
        ("simulation", 'do = "bridge_roundtrip"', "bridge_roundtrip: a simulation has neither processes nor"),
        (
            "simulation",
            'do = "kill"\nargs = { nodes = ["node1"], only = "axl" }',
            "kill: only: a simulation has",
        ),
        ("simulation", 'expect = { path = "audit.roots", eq = 1 }', "expect: audit.roots: a simulation has"),
        (
            "replay",
            'do = "kill"\nargs = { nodes = ["node1"] }',
            "kill: a recording can be looked at, nothing",
        ),
        ("replay", 'expect = { path = "audit.roots", eq = 1 }', "audit.roots: a recording can be looked at"),
    ],
)
def test_what_a_source_cannot_do_is_refused_when_the_script_is_read(
    source: str, asked: str, complaint: str
) -> None:
    recording = 'recording = "a.rec"\n' if source == "replay" else ""
    assert complaint in problem(f'name = "x"\nsource = "{source}"\n{recording}[[step]]\n{asked}\n')
