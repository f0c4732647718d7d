"""A headless Chromium, driven through its DevTools pipe with the standard library alone.

Debian: ``apt-get install chromium``.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def _high_pipe() -> tuple[int, int]:
    """A pipe whose descriptors are 10 or more, out of the way of 3 and 4."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]


class Browser:
    """One tab. Messages are JSON ended by a zero byte; ours go to its descriptor 3, its answers come from 4."""

    def __enter__(self) -> Browser:
        assert PROGRAM is not None
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self.out = _high_pipe()
        self.inn, theirs_out = _high_pipe()

        def connect() -> None:
            os.dup2(theirs_in, 3)
            os.dup2(theirs_out, 4)

        command = [
            PROGRAM,
            "--headless",
            "--remote-debugging-pipe",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            f"--user-data-dir={self.profile.name}",
            "--window-size=1400,900",
        ]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, preexec_fn=connect, close_fds=False, stdout=quiet, stderr=quiet)
        os.close(theirs_in)
        os.close(theirs_out)
        self.buffer, self.last = b"", 0
        self.complaints: list[str] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            self._ask(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
        os.close(self.out)
        os.close(self.inn)
        self.profile.cleanup()

    def open(
        self, page: Path, width: int = 1400, height: int = 900, *, dark: bool = False, figures: str = "all"
    ) -> None:
        """Load a file in a window of that size and wait until its ``figures`` are drawn: "all", the "first", "none"."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
        self._ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        self._ask("Page.navigate", url=page.resolve().as_uri())
        self.wait("document.readyState === 'complete'")
        if figures == "none":
            return
        self.wait("'drawn' in document.documentElement.dataset")
        if figures == "first":
            return
        self.run("dispatchEvent(new Event('beforeprint')); dispatchEvent(new Event('afterprint'))")
        self.wait("document.documentElement.dataset.drawn == document.querySelectorAll('div.plot').length")

    def before(self, script: str) -> None:
        """Run a script in every page before its own scripts."""
        self._ask("Page.addScriptToEvaluateOnNewDocument", source=script)

    def wait(self, ready: str) -> None:
        """Wait until an expression is true."""
        self.run(
            f"new Promise((yes) => {{ const look = () => ({ready}) ? yes(true) : setTimeout(look, 50); look(); }})"
        )

    def press(self, key: str) -> None:
        """A real press of a key, such as "Enter" or "Tab", on what has the focus."""
        codes = {"Enter": (13, "\r"), "Tab": (9, ""), "ArrowDown": (40, "")}
        code, text = codes[key]
        for kind in ("keyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, text=text)

    def screenshot(self) -> bytes:
        """What the window shows as PNG."""
        return base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"])

    def run(self, script: str) -> Any:
        """The JSON value of an expression, awaited where it is a promise."""
        answer = self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def click(self, x: float, y: float) -> None:
        """A real click at a point of the window."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.last += 1
        message: dict[str, Any] = {"id": self.last, "method": method, "params": parameters}
        if hasattr(self, "session"):
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            part = os.read(self.inn, 1 << 20)
            if not part:
                raise RuntimeError("Chromium ended before it answered")
            self.buffer += part
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        """Keep what the console would show in red or yellow."""
        method, details = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(details["exceptionDetails"]))
        if method == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(details["args"]))
        if method == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning"):
            self.complaints.append(details["entry"]["text"])
