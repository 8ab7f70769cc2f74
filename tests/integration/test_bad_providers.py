"""Providers that misbehave, through the whole of Segue: nothing lost, nothing doubled, no other harmed.

What surely was not taken is tried again; what may have been taken is *unknown*, shown as such and
never sent a second time; the other channel works on meanwhile.
"""

import functools
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from segue.channels import limits, providers
from segue.channels.wire import Wire
from segue.kernel import plan
from segue.kernel.values import DAY, HOUR
from tests.integration.conftest import Segue
from tests.integration.provider import Asked, Provider, fine, journey, shop

HELLO = plan.Message(
    name="hello",
    topic="news",
    contents={"email": {"subject": "Hello", "text": "Hello"}, "sms": {"body": "Hello"}},
    expires_ms=DAY,
)


@pytest.fixture
def mail() -> Iterator[Provider]:
    with closing(Provider()) as made:
        yield made


@pytest.fixture
def texts() -> Iterator[Provider]:
    with closing(Provider()) as made:
        yield made


@pytest.fixture
def running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mail: Provider, texts: Provider
) -> Iterator[Segue]:
    """Mail by one provider, texts by another; neither is waited for longer than half a second."""
    monkeypatch.setenv("KEY", "secret")
    monkeypatch.setattr(providers, "Wire", functools.partial(Wire, answer_seconds=0.5))
    monkeypatch.setattr(limits, "BREAKER_SECONDS_LEAST", 0.2)
    monkeypatch.setattr(limits, "BREAKER_SECONDS_MAX", 0.2)
    channels = (
        '[email]\nprovider = "sendgrid"\napi_key = "env:KEY"\n'
        f'from_address = "shop@shop.example"\nbase_url = "{mail.url}"\n'
        f'[sms]\nprovider = "http_sms"\nurl = "{texts.url}/send"\n'
    )
    rest = plan.Wait(id="rest", next="", for_ms=HOUR)
    ways = [
        journey(
            channel,
            f"Wants {channel}",
            plan.Send(id="say", next="rest", message="hello", channels=(channel,)),
            rest,
        )
        for channel in ("email", "sms")
    ]
    with shop(tmp_path, monkeypatch, channels, (HELLO,), ways) as segue:
        yield segue


def wants(segue: Segue, channel: str, *who: str) -> None:
    for one in who:
        traits = {"email": f"{one}@shop.example", "phone": "+491512345678"}
        segue.post("/v1/identify", {"userId": one, "traits": traits})
        segue.post("/v1/track", {"userId": one, "event": f"Wants {channel}"})


def states(segue: Segue, channel: str) -> Counter[str]:
    rows = segue.store.outbox(None, None, 1000)
    return Counter(
        row.state for row in rows if msgspec.to_builtins(row.effect)["channel"] == channel
    )


@pytest.mark.parametrize("fault", ["reset", "hang"])
def test_silence_after_the_letter_was_handed_over_is_unknown_and_never_sent_again(
    running: Segue, mail: Provider, texts: Provider, fault: str
) -> None:
    mail.answer = lambda _asked: fault
    wants(running, "email", "ana")
    wants(running, "sms", "ben")
    running.wait_for(lambda: states(running, "email") == {"unknown": 1})
    running.wait_for(lambda: states(running, "sms") == {"done": 1})
    mail.answer = fine
    wants(running, "email", "eve")
    running.wait_for(lambda: states(running, "email") == {"unknown": 1, "done": 1})
    assert Counter(str(one["personalizations"]).count("ana@") for one in mail.bodies())[1] == 1
    shown = running.client.get("/api/outbox?state=unknown").json()["sends"]
    assert [row["effect"]["address"] for row in shown] == ["ana@shop.example"]
    dead = running.client.post("/api/outbox/retry", json={"ids": [shown[0]["id"]]}).json()
    assert dead == {"retried": 0, "kept": []}


def test_a_page_instead_of_an_answer_is_not_called_delivered(
    running: Segue, texts: Provider
) -> None:
    texts.answer = lambda _asked: (200, b"<html>Welcome to the hotel's WLAN</html>")
    wants(running, "sms", "ana")
    running.wait_for(lambda: states(running, "sms") == {"unknown": 1})
    assert len(texts.asked) == 1


def test_a_provider_in_trouble_loses_nothing_and_doubles_nothing(
    running: Segue, mail: Provider, texts: Provider
) -> None:
    taken: list[bytes] = []

    def troubled(asked: Asked) -> tuple[int, bytes]:
        if len(mail.asked) <= 9:
            return 500, b"<h1>Oops</h1>"
        taken.append(asked.body)
        return 202, b""

    mail.answer = troubled
    wants(running, "email", *(f"c{number}" for number in range(6)))
    wants(running, "sms", "ben")
    running.wait_for(lambda: states(running, "sms") == {"done": 1})
    running.wait_for(lambda: states(running, "email") == {"done": 6})
    assert len(taken) == len(set(taken)) == 6
