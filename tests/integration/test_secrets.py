"""Secrets are used and never shown: not in logs, not in answers, not in the store, not by a
provider that repeats them.
"""

import base64
import logging
from contextlib import closing
from pathlib import Path

import pytest

from segue.kernel import plan
from segue.kernel.values import DAY, HOUR
from tests.integration.provider import Asked, Provider, journey, shop

SECRETS = {name: f"hush-{name.lower()}-4f1c9e" for name in ("MAIL", "TEXT", "RECEIPTS", "SLACK")}
HELLO = plan.Message(
    name="hello",
    topic="news",
    contents={"email": {"subject": "Hello", "text": "Hello"}, "sms": {"body": "Hello"}},
    expires_ms=DAY,
)
PAGES = (
    "/api/outbox",
    "/api/outbox?state=dead",
    "/api/profiles",
    "/api/profiles/user:ana/timeline",
    "/api/profiles/user:ana",
    "/api/overview",
    "/api/messages",
    "/api/set-aside",
    "/metrics",
    "/health",
)


def test_no_secret_is_logged_answered_or_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    repeated: list[Asked] = []

    def tells_on_us(asked: Asked) -> tuple[int, bytes]:
        repeated.append(asked)
        login = base64.b64encode(f"shop:{SECRETS['TEXT']}".encode()).decode()
        said = f"bad key {SECRETS['MAIL']} {SECRETS['TEXT']} Basic {login}"
        return (400, said.encode())

    rest = plan.Wait(id="rest", next="", for_ms=HOUR)
    both = journey(
        "both",
        "Signed Up",
        plan.Send(id="mail", next="text", message="hello", channels=("email",)),
        plan.Send(id="text", next="task", message="hello", channels=("sms",)),
        plan.Assign(id="task", next="rest", title="Call", to="sales"),
        rest,
    )
    with closing(Provider()) as provider:
        provider.answer = tells_on_us
        monkeypatch.setenv("SLACK_URL", f"{provider.url}/hook/{SECRETS['SLACK']}")
        channels = (
            '[email]\nprovider = "postmark"\nserver_token = "env:MAIL"\n'
            f'from_address = "shop@shop.example"\nbase_url = "{provider.url}"\n'
            f'[sms]\nprovider = "http_sms"\nurl = "{provider.url}/send"\ntoken = "env:TEXT"\n'
            '[task]\nprovider = "slack"\nwebhook_url = "env:SLACK_URL"\n'
            '[receipts]\nmailgun = "env:RECEIPTS"\n'
        )
        with shop(tmp_path, monkeypatch, channels, (HELLO,), (both,)) as segue:
            traits = {"email": "ana@shop.example", "phone": "+491512345678"}
            segue.post("/v1/identify", {"userId": "ana", "traits": traits})
            segue.post("/v1/track", {"userId": "ana", "event": "Signed Up"})
            segue.wait_for(lambda: segue.store.counts().dead == 3)
            assert len(repeated) == 3
            segue.client.post("/v1/receipts/mailgun", json={"signature": {}})
            answers = [segue.client.get(page) for page in PAGES]
            assert [each.status_code for each in answers] == [200] * len(PAGES)
            shown = "".join(each.text for each in answers)
            details = "".join(row.detail for row in segue.store.outbox("dead"))
            assert "bad key (secret) (secret) Basic " in details
            logins = [base64.b64encode(f"shop:{one}".encode()).decode() for one in SECRETS.values()]
        stored = b"".join(path.read_bytes() for path in tmp_path.glob("segue.sqlite*"))
    for name, value in (*SECRETS.items(), *((login, login[8:-4]) for login in logins)):
        for where in (caplog.text, shown, details, stored.decode("latin-1")):
            assert value not in where, name
