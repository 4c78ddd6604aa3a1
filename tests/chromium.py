"""A headless Chromium that looks at pages, by the DevTools protocol over two pipes: no driver, no port, no package."""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
PATIENCE = 60


def find():
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """A browser with one tab; a context manager, which ends it."""

    def __init__(self, path):
        self.profile = tempfile.mkdtemp(prefix="chromium-")
        (self._theirs_in, self._out), (self._in, self._theirs_out) = _pipe(), _pipe()
        command = [path, *FLAGS, f"--user-data-dir={self.profile}", "about:blank"]
        nowhere = os.open(os.devnull, os.O_RDWR)
        places = {nowhere: (0, 1, 2), self._theirs_in: (3,), self._theirs_out: (4,)}
        moves = [(os.POSIX_SPAWN_DUP2, ours, place) for ours, there in places.items() for place in there]
        surroundings = {**os.environ, "TMPDIR": self.profile}
        self.process = os.posix_spawn(path, command, surroundings, file_actions=moves, setpgroup=0)
        for handle in places:
            os.close(handle)
        self._rest, self._number, self.events, self._session = b"", 0, [], None
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self.profile, ignore_errors=True)

    def __call__(self, method, **parameters):
        """The answer to a command of the protocol; events meanwhile go to ``events``."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        session = {"sessionId": self._session} if self._session else {}
        os.write(self._out, json.dumps(message | session).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def wait_for(self, event):
        """Returns once ``event`` has happened since ``events`` was last emptied."""
        while not any(one.get("method") == event for one in self.events):
            self.events.append(self._next())

    def open(self, path, width=1280, *, dark=False):
        """Loads a file at a width in pixels."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=width < 600)
        self.colours(dark=dark)
        self.events.clear()
        self("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("Page.loadEventFired")

    def colours(self, *, dark, media=""):
        """Makes the reader one who prefers dark or light pages, on a screen or on paper (``media="print"``)."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self("Emulation.setEmulatedMedia", media=media, features=features)

    def run(self, script):
        """The value of a JavaScript expression in the page."""
        answer = self("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def happened(self, *methods):
        """The parameters of these events since the page was opened."""
        return [one["params"] for one in self.events if one.get("method") in methods]

    def pdf(self):
        """The page as it is printed."""
        return base64.b64decode(self("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])

    def picture(self):
        """The whole page as a PNG."""
        return base64.b64decode(self("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def _next(self):
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(until - time.monotonic(), 0))
            read = os.read(self._in, 2**20) if ready else b""
            assert read, f"Chromium said nothing for {PATIENCE} s, or ended"
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


def _pipe():
    """Two ends of a pipe whose numbers are none of those that Chromium wants."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved
