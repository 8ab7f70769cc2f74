"""Reading bodies: bounded as they come and as they unpack, whatever their Content-Type says.

Browsers send JSON as text/plain to spare themselves a preflight, one client sends gzipped JSON
as a form; so the type is not looked at. Gzip is known by its header or by its first bytes.
"""

import zlib

from starlette.requests import ClientDisconnect, Request

from segue.errors import BodyTooLarge, BodyUnreadable, EncodingUnsupported
from segue.server import limits

_GZIP = b"\x1f\x8b"


async def read(request: Request, most: int = limits.BODY_BYTES_MAX) -> bytes:
    """The body, unpacked. A body that says it is too long is refused before it is read."""
    body = await raw(request, most)
    return unpack(body, request.headers.get("content-encoding", ""), most)


async def raw(request: Request, most: int) -> bytes:
    """The body's bytes as they came: what a signature is over."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        if int(declared) <= limits.DRAINED_BYTES_MAX:
            await _drain(request)
        raise BodyTooLarge(f"the body has {int(declared):,} bytes; at most {most:,} are read")
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise BodyTooLarge(f"the body has more than {most:,} bytes")
            parts.append(part)
    except ClientDisconnect as error:
        raise BodyUnreadable("the sender went away before the body's end") from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _drain(request: Request) -> None:
    """Read and drop, so that a client in the midst of sending gets to read the answer."""
    dropped = 0
    try:
        async for part in request.stream():
            dropped += len(part)
            if dropped > limits.DRAINED_BYTES_MAX:
                return
    except ClientDisconnect:
        return


def unpack(body: bytes, encoding: str, most: int) -> bytes:
    """Decompress, never to more than `most` bytes: a bomb is refused, not unpacked."""
    named = encoding.strip().lower()
    if named in ("gzip", "x-gzip") or body[:2] == _GZIP:
        return _inflated(body, 16 + zlib.MAX_WBITS, most)
    if named == "deflate":
        return _inflated(body, zlib.MAX_WBITS, most)
    if named in ("", "identity"):
        return body
    raise EncodingUnsupported(f"bodies in {named[:40]!r} are not read")


def _inflated(body: bytes, window: int, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while body:
        inflater = zlib.decompressobj(window)
        try:
            part = inflater.decompress(body, most - size + 1)
        except zlib.error as error:
            raise BodyUnreadable(f"the body can't be unpacked: {error}") from error
        size += len(part)
        if size > most:
            raise BodyTooLarge(f"the body unpacks to more than {most:,} bytes")
        if not inflater.eof:
            raise BodyUnreadable("the compressed body ends too early")
        parts.append(part)
        body = inflater.unused_data
    return b"".join(parts)
