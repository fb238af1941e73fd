"""What is typed faster than it is drawn stands there as it was typed."""

from textual.app import App, ComposeResult
from textual.events import Key

from whisper_tui.widgets.field import Field


class _Form(App[None]):
    def compose(self) -> ComposeResult:
        yield Field(id="field")


async def test_keys_that_come_together_take_effect_in_their_order() -> None:
    app = _Form()
    async with app.run_test() as pilot:
        typed = ["a", "x", "backspace", "c", "left", "b", "end", "d", "home", "ctrl+k", "e"]
        for key in typed:
            app.post_message(Key(key, key if len(key) == 1 else None))
        await pilot.pause()
        assert app.query_one(Field).value == "e"
        for key in typed[:8]:
            app.post_message(Key(key, key if len(key) == 1 else None))
        await pilot.pause()
        assert app.query_one(Field).value == "eabcd"
