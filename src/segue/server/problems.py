"""The one shape of every refusal: `{"code", "message", "hint"}`.

Rule 1: clients decide by the status and print the message; one of them retries even a 400 for
    ever unless `code` and `message` stand at the top.
Rule 2: what we did not foresee is answered 500 with no particulars and logged with all.
"""

import logging
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from segue.errors import (
    DefinitionError,
    HostStopped,
    InputError,
    NoSuchThing,
    QueueFull,
    SegueError,
    StoreUnavailable,
    WrongMethod,
)

_log = logging.getLogger("segue.server")

RETRY_AFTER_S: Final = 2
"""What a client is told to wait when the store can't save."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A refusal as it is sent."""

    code: str
    message: str
    hint: str = ""


_encode = msgspec.json.Encoder().encode


def answer(error: SegueError) -> Response:
    """The HTTP answer to an error raised on purpose."""
    if isinstance(error, InputError):
        status = error.status
    else:
        status = 422 if isinstance(error, DefinitionError) else 503
    headers: dict[str, str] = {}
    if isinstance(error, QueueFull):
        headers["Retry-After"] = str(max(1, error.retry_after_s))
    elif status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    elif status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="segue"'
    return respond(status, Problem(error.code, str(error), error.hint), headers)


def respond(status: int, problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """A refusal with its status."""
    return Response(_encode(problem), status, headers, media_type="application/json")


async def on_error(request: Request, error: Exception) -> Response:
    """For errors raised on purpose, wherever they were raised."""
    assert isinstance(error, SegueError)
    if not isinstance(error, InputError | DefinitionError | StoreUnavailable | HostStopped):
        _log.error("%s %s: %s %s", request.method, request.url.path, error.code, error)
    return answer(error)


async def on_http(request: Request, error: Exception) -> Response:
    """For the framework's own refusals: no such route, another method."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 404:
        return answer(NoSuchThing(f"there is nothing at {path[:200]}"))
    if error.status_code == 405:
        response = answer(WrongMethod(f"{path[:200]} does not answer {request.method}"))
        response.headers.update(error.headers or {})
        return response
    return respond(error.status_code, Problem("INP700", str(error.detail)))


async def on_bug(request: Request, error: Exception) -> Response:
    """For what nobody foresaw."""
    _log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    message = "something failed here; it is logged with all particulars"
    return respond(500, Problem("SEG500", message, "send it again; report it if it stays"))
