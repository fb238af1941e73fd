"""The console as a browser shows it: `python -m screenshots.browser RUN_DIR [KEYS…]` writes `screenshots/browser.png`.

The mesh in RUN_DIR must run. Needs the extra `web` and a Chromium in the path, which is started without a window and
steered over its DevTools protocol.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

OUT = Path(__file__).with_name("browser.png")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WHISPER = (sys.executable, "-c", "from whisper_tui.cli import main; main()")
SIZE = "1280,800"


async def _address(stream: asyncio.StreamReader, pattern: str) -> str:
    """What of the output of a program names where it listens."""
    async with asyncio.timeout(60):
        async for line in stream:
            if found := re.search(pattern, line.decode()):
                return found[0]
    raise SystemExit("it ended before it said where it listens")


class Page:
    """A page of a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0

    async def do(self, method: str, **params: Any) -> dict[str, Any]:
        """One call of the DevTools protocol and its answer."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            answer: dict[str, Any] = await self._socket.receive_json()
            if answer.get("id") == self._number:
                return dict(answer["result"])

    async def type(self, text: str) -> None:
        """Press keys, in the terminal."""
        for event in ("mousePressed", "mouseReleased"):
            await self.do("Input.dispatchMouseEvent", type=event, x=900, y=600, button="left", clickCount=1)
        for char in text:
            await self.do("Input.dispatchKeyEvent", type="keyDown", text=char, key=char)
            await self.do("Input.dispatchKeyEvent", type="keyUp", key=char)
            await asyncio.sleep(0.5)


async def _picture(devtools: str, url: str, keys: str) -> bytes:
    port = urlsplit(devtools).port
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            (target, *_) = await answer.json()
        async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            page = Page(socket)
            await page.do("Page.navigate", url=f"{url}?fontsize=13")
            await asyncio.sleep(8)
            await page.type(keys)
            await asyncio.sleep(2)
            return base64.b64decode((await page.do("Page.captureScreenshot"))["data"])


async def main(run_dir: str, keys: str) -> None:
    """Serve the mesh, look at it, write down what is seen."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"none of {', '.join(BROWSERS)} is installed")
    pipe = asyncio.subprocess.PIPE
    with tempfile.TemporaryDirectory() as profile:
        serving = await asyncio.create_subprocess_exec(
            *WHISPER, "serve", "--run-dir", run_dir, "--port", "8799", stdout=pipe
        )
        options = ["--headless", "--disable-gpu", "--remote-debugging-port=0", f"--window-size={SIZE}"]
        options += ["--no-sandbox"] if os.geteuid() == 0 else []
        browsing = await asyncio.create_subprocess_exec(
            browser, *options, f"--user-data-dir={profile}", "about:blank", stderr=pipe
        )
        try:
            assert serving.stdout is not None and browsing.stderr is not None
            url = await _address(serving.stdout, r"http://127\.0\.0\.1:\d+/[\w-]+/")
            devtools = await _address(browsing.stderr, r"ws://[^ \n]+")
            OUT.write_bytes(await _picture(devtools, url, keys))
        finally:
            for process in (browsing, serving):
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                await process.wait()
    print(f"written: {OUT}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], "".join(sys.argv[2:])))
