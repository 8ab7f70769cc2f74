"""Signs deliveries as the providers do, from their rules and not from the connectors' code."""

import base64
import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("SEGUE_DATA", Path(__file__).parents[4] / "shared" / "data"))
SECRET = "whsec_test_secret"
NOW = 1_750_000_000_000


def mac(message: bytes, secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), message, hashlib.sha256).digest()


def body_of(told: object) -> bytes:
    return json.dumps(told).encode()


def shopify(topic: str, told: object, number: str = "wh-1") -> tuple[dict[str, str], bytes]:
    body = told if isinstance(told, bytes) else body_of(told)
    headers = {
        "X-Shopify-Topic": topic,
        "X-Shopify-Webhook-Id": number,
        "X-Shopify-Hmac-SHA256": base64.b64encode(mac(body)).decode(),
    }
    return headers, body


def stripe(told: object, at: int = NOW // 1000) -> tuple[dict[str, str], bytes]:
    body = told if isinstance(told, bytes) else body_of(told)
    signed = mac(str(at).encode() + b"." + body).hex()
    return {"Stripe-Signature": f"t={at},v1={signed}"}, body


def stripe_event(kind: str, told: dict[str, Any], before: object = None) -> dict[str, Any]:
    data: dict[str, Any] = {"object": told}
    if before is not None:
        data["previous_attributes"] = before
    return {
        "id": "evt_1",
        "object": "event",
        "type": kind,
        "created": NOW // 1000 - 60,
        "data": data,
    }


def hubspot(told: object, uri: str, at: int = NOW) -> tuple[dict[str, str], bytes]:
    body = told if isinstance(told, bytes) else body_of(told)
    signed = base64.b64encode(mac(b"POST" + uri.encode() + body + str(at).encode())).decode()
    return {"X-HubSpot-Signature-v3": signed, "X-HubSpot-Request-Timestamp": str(at)}, body
