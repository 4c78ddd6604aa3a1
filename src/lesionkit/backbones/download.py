"""Downloads through urllib that give up on a server which does not answer, and on no other.

Keras fetches its weights with ``urllib.request.urlretrieve``, which waits for ever. Cutting a download off
after a fixed time would fail on a slow line; what tells a dead server from a slow one is the first byte.
"""

import contextlib
import copy
import functools
import http.client
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def first_byte_within(seconds: float = 15.0, before: Callable[[str], None] | None = None) -> Iterator[None]:
    """Bounds the wait for an answer in every urllib download inside the block.

    A server whose answer (connection and response headers) has not come after ``seconds`` raises TimeoutError or
    ``urllib.error.URLError``. Once it has, the rest may take as long as it takes. The look-up of the host's name
    is the system's and is not bounded here. The opener is urllib's own, shared by all threads of the process;
    the former one, with its proxies and credentials, goes on inside the new one and is back afterwards.

    Args:
        seconds: the bound.
        before: called with the address of each request before it is sent.
    """
    former = urllib.request._opener  # type: ignore[attr-defined]  # noqa: SLF001  # there is no public getter
    kept = [] if former is None else [copy.copy(h) for h in former.handlers if not isinstance(h, _BOUNDED)]
    urllib.request.install_opener(
        urllib.request.build_opener(*kept, _Http(seconds), _Https(seconds, _context(former)), _Before(before))
    )
    try:
        yield
    finally:
        urllib.request.install_opener(former)


class _FirstByte(http.client.HTTPConnection):
    """A connection that waits for the headers until a deadline, and for what follows without one."""

    def __init__(self, host: str, *, seconds: float, timeout: Any = None, **options: Any) -> None:
        del timeout  # urllib passes on its own default: none
        super().__init__(host, timeout=seconds, **options)
        self._deadline = time.monotonic() + seconds

    def getresponse(self) -> http.client.HTTPResponse:
        line = self.sock  # getresponse() may let go of it, while the response still reads from it
        line.settimeout(max(self._deadline - time.monotonic(), 0.001))
        response = super().getresponse()
        if line.fileno() != -1:
            line.settimeout(None)
        return response


class _SecureFirstByte(_FirstByte, http.client.HTTPSConnection):
    """The same over TLS."""


class _Http(urllib.request.HTTPHandler):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._connect: Any = functools.partial(_FirstByte, seconds=seconds)

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connect, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, seconds: float, context: Any) -> None:
        super().__init__()
        self._connect: Any = functools.partial(_SecureFirstByte, seconds=seconds, context=context)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connect, req)


class _Before(urllib.request.BaseHandler):
    def __init__(self, before: Callable[[str], None] | None) -> None:
        self._before = before

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        if self._before is not None:
            self._before(request.full_url)
        return request

    https_request = http_request


_BOUNDED = (urllib.request.HTTPHandler, urllib.request.HTTPSHandler)


def _context(opener: Any) -> Any:
    """The TLS settings of a former opener, if it has any."""
    handlers = [] if opener is None else opener.handlers
    secure = [handler for handler in handlers if isinstance(handler, urllib.request.HTTPSHandler)]
    return getattr(secure[0], "_context", None) if secure else None
