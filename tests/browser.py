"""A headless Chromium, driven by the Chrome DevTools Protocol."""

import base64
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import websocket

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
NEEDS_CHROMIUM = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is installed; see make chromium"
)
# Where the column SRCC of each first table of an experiment ends, pixels from the left.
SRCC_ENDS = (
    "[...document.querySelectorAll('.brief table')].map(table => "
    "[...table.tHead.rows[0].cells].find(cell => cell.innerText === 'SRCC')"
    ".getBoundingClientRect().right)"
)
OPTIONS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"),
    *("--hide-scrollbars", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--remote-debugging-port=0", "--remote-allow-origins=*"),
]
MARGIN = 24  # pixels
PATIENCE = 60  # seconds for the browser to start, and for each answer


class Browser:
    """One page; `events` holds all that the browser has reported, oldest first."""

    def __init__(self) -> None:
        assert CHROMIUM
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            [CHROMIUM, *OPTIONS, f"--user-data-dir={self.profile.name}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.events: list[dict[str, Any]] = []
        self.count = 0
        self.socket: websocket.WebSocket | None = None
        try:
            self.socket = self.connected()
            found = self.send("Target.getTargets")["targetInfos"]
            page = next(target["targetId"] for target in found if target["type"] == "page")
            attached = self.send("Target.attachToTarget", targetId=page, flatten=True)
            self.session: str | None = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.send(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def connected(self) -> websocket.WebSocket:
        """A connection to the browser as soon as it listens."""
        file = Path(self.profile.name) / "DevToolsActivePort"
        end = time.monotonic() + PATIENCE
        while not (file.exists() and file.read_text().count("\n")):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{CHROMIUM} does not start")
            time.sleep(0.05)
        port, path = file.read_text().split("\n")[:2]
        self.session = None
        return websocket.create_connection(f"ws://127.0.0.1:{port}{path}", timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and the connection to it."""
        if self.socket is not None:
            self.socket.shutdown()  # closes it without the protocol's farewell
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.profile.cleanup()

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol; its result."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        assert self.socket is not None
        self.socket.send(json.dumps(message))
        while True:
            answer: dict[str, Any] = json.loads(self.socket.recv())
            if answer.get("id") == self.count:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self.send(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, address: str, width: int, dark: bool = False, height: int = 900) -> None:
        """Show a page in a window of this size, and wait until it is there."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1}
        self.send("Emulation.setDeviceMetricsOverride", **metrics, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        calm = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.send("Emulation.setEmulatedMedia", features=[scheme, calm])
        self.send("Page.navigate", url=address)
        self.run(
            "new Promise(done => { const wait = () => document.readyState === 'complete' && "
            "location.href !== 'about:blank' ? done() : setTimeout(wait, 20); wait(); })"
        )

    def said(self, *methods: str) -> list[dict[str, Any]]:
        """What was reported by events of these names."""
        return [event["params"] for event in self.events if event["method"] in methods]

    def picture(self, selector: str | None = None, longest: int | None = None) -> bytes:
        """The whole page, or an element with a margin, as PNG; at most `longest` pixels high."""
        element = f"document.querySelector({json.dumps(selector or 'html')})"
        clip = self.run(
            f"(({{x, y, width, height}}) => ({{x: x + scrollX, y: y + scrollY, width, height, "
            f"scale: 1}}))({element}.getBoundingClientRect())"
        )
        if selector is not None:
            clip |= {"x": max(0, clip["x"] - MARGIN), "y": max(0, clip["y"] - MARGIN)}
            clip |= {"width": clip["width"] + 2 * MARGIN, "height": clip["height"] + 2 * MARGIN}
        if longest is not None:
            clip["height"] = min(clip["height"], longest)
        answer = self.send("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(answer["data"])
