"""What clients fetch before they send: settings that point them back here.

analytics.js of Segment asks its CDN for a project's settings; RudderStack's asks its control
plane for the source's configuration. Both start when Segue answers, and send to Segue.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from segue.errors import UnknownWriteKey
from segue.server import auth
from segue.server.site import site_of

_encode = msgspec.json.Encoder().encode


async def segment_settings(request: Request) -> Response:
    """`/v1/projects/{write_key}/settings`: no destinations but Segue itself."""
    key: str = request.path_params["write_key"]
    auth.source_of(key, site_of(request).settings.write_keys)
    host = request.headers.get("host", "localhost")
    body: dict[str, object] = {
        "integrations": {
            "Segment.io": {
                "apiKey": key,
                "apiHost": f"{host}/v1",
                "protocol": _scheme(request),
                "addBundledMetadata": True,
                "unbundledIntegrations": [],
                "maybeBundledConfigIds": {},
                "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
            }
        },
        # No `track` in it: a tracking plan would make the client load a filter from its CDN.
        "plan": {},
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }
    return Response(_encode(body), media_type="application/json")


async def rudder_settings(request: Request) -> Response:
    """`/sourceConfig`: the source is enabled and has no destinations."""
    key = auth.header_key(request)
    if not key:
        raise UnknownWriteKey("the request carries no write key")
    source = auth.source_of(key, site_of(request).settings.write_keys)
    quiet = {"enabled": False}
    body: dict[str, object] = {
        "source": {
            "id": source,
            "name": source,
            "writeKey": key,
            "enabled": True,
            "workspaceId": "segue",
            "destinations": [],
            "connections": [],
            "config": {"statsCollection": {"errors": quiet, "metrics": quiet}},
        },
        "updatedAt": "1970-01-01T00:00:00.000Z",
    }
    return Response(_encode(body), media_type="application/json")


async def ignored(_request: Request) -> Response:
    """Where clients report on themselves: taken and dropped."""
    return Response(b'{"success": true}', media_type="application/json")


def _scheme(request: Request) -> str:
    return request.headers.get("x-forwarded-proto", request.url.scheme).split(",")[0].strip()
