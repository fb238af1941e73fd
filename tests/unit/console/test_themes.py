"""Themes: told apart by eyes of every kind, in terminals of every kind, and never by colour alone."""

from __future__ import annotations

import itertools

import pytest
from rich.color import Color
from rich.style import Style

from tests.unit.console.feeder import rescue_story
from tests.unit.console.harness import Bench
from whisper_tui.model.views.base import Role
from whisper_tui.themes import ANSI, DEFAULT, DEUTERANOPIA, HIGH_CONTRAST, MONO, THEMES

STATES: tuple[Role, ...] = ("alive", "suspect", "dead")

DEUTERAN = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))
"""What is left of a colour, in linear RGB: Machado, Oliveira, Fernandes (2009), severity 1.0."""


def linear(colour: Color) -> tuple[float, ...]:
    assert colour.triplet is not None
    parts = [value / 255 for value in colour.triplet]
    return tuple(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)


def luminance(colour: Color) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: Color, second: Color) -> float:
    """After WCAG 2.2, 1 to 21."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: tuple[float, ...]) -> tuple[float, float, float]:
    """CIE L*a*b* of linear RGB, D65."""
    red, green, blue = (min(1.0, max(0.0, part)) for part in rgb)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def seen_apart(first: Style, second: Style) -> float:
    """How far apart two colours look (CIE76) to eyes without green cones."""
    assert first.color is not None and second.color is not None
    seen = [
        lab(
            tuple(
                sum(weight * part for weight, part in zip(row, linear(color), strict=True))
                for row in DEUTERAN
            )
        )
        for color in (first.color, second.color)
    ]
    return sum((a - b) ** 2 for a, b in zip(*seen, strict=True)) ** 0.5


def test_every_theme_says_what_every_role_looks_like() -> None:
    for theme in THEMES.values():
        assert theme.styles.keys() == DEFAULT.styles.keys(), theme.name


def test_with_deuteranopia_states_are_told_apart_by_colour_too() -> None:
    for first, second in itertools.combinations(STATES, 2):
        assert seen_apart(DEUTERANOPIA.styles[first], DEUTERANOPIA.styles[second]) > 35, (first, second)
        assert seen_apart(DEFAULT.styles[first], DEFAULT.styles[second]) > 15, (first, second)


def test_in_high_contrast_everything_stands_out_at_least_seven_to_one() -> None:
    ground = Color.parse(HIGH_CONTRAST.surfaces.ground)
    for role, style in HIGH_CONTRAST.styles.items():
        behind = style.bgcolor or ground
        assert style.color is not None and contrast(style.color, behind) >= 7, role


def test_the_other_colours_stand_out_at_least_four_and_a_half_to_one_where_they_carry_text() -> None:
    for theme in (DEFAULT, DEUTERANOPIA):
        for role, style in theme.styles.items():
            if role in ("rule", "selected", "running"):  # lines, grounds and the shade of a bar
                continue
            assert style.color is not None
            assert contrast(style.color, Color.parse(theme.surfaces.ground)) >= 4.5, (theme.name, role)


def test_the_ansi_theme_names_none_but_the_sixteen_colours_and_mono_names_none() -> None:
    for style in ANSI.styles.values():
        assert style.color is None or (style.color.number is not None and style.color.number < 16)
    assert all(style.color is None and style.bgcolor is None for style in MONO.styles.values())


@pytest.mark.parametrize("name", THEMES)
async def test_a_state_is_told_by_sign_and_word_in_every_theme(name: str) -> None:
    bench = Bench(rescue_story(until="confirmed"), theme=name)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "j", "tab", "tab")
        shown = bench.text()
        assert "● alive" in shown and "✖ dead" in shown and "◆ you" in shown


@pytest.mark.parametrize("name", ["ansi", "mono"])
@pytest.mark.parametrize("stale", [False, True])
async def test_native_themes_send_no_colour_of_their_own(name: str, stale: bool) -> None:
    mesh = rescue_story(until="confirmed")
    bench = Bench(mesh, theme=name)
    if stale:
        mesh.source("operator", "stale", retry_ms=400)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "j", "X", "k")
        for strip in bench.console.screen._compositor.render_strips():
            for segment in strip:
                for colour in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                    sixteen = colour is None or colour.is_default or colour.is_system_defined
                    assert sixteen and (name == "ansi" or colour is None or colour.is_default), segment


@pytest.mark.parametrize(
    "options",
    [
        {"ascii": True, "theme": "mono"},
        {"ascii": True, "theme": "ansi"},
        {"theme": "high-contrast"},
        {"theme": "mono"},
    ],
    ids=["ascii_mono", "ascii_ansi", "high_contrast", "mono"],
)
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_node_is_found_killed_and_its_fate_read_without_colour(
    options: dict[str, object], size: tuple[int, int]
) -> None:
    mesh = rescue_story(until="running")
    bench = Bench(mesh, **options)
    async with bench.console.run_test(size=size) as pilot:
        await bench.press(pilot, "j", "j", "j", "X", "k")
        asked = bench.text()
        assert "Kill node4?" in asked and "y do it" in asked and "(default)" in asked
        await bench.press(pilot, "y")
        assert bench.deeds.done == [("kill", "node4")]
        mesh.kill("node4")
        mesh.suspect("node4")
        await bench.settle(pilot)
        assert "suspect" in bench.text()
        mesh.confirm("node4")
        await bench.settle(pilot)
        assert ("x dead" if options.get("ascii") else "✖ dead") in bench.text()
        await bench.press(pilot, "question_mark")
        assert "suspected" in bench.text() or "Everywhere" in bench.text()
        assert not options.get("ascii") or bench.text().isascii()
