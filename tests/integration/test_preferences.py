"""Unsubscribe, preferences, clicks and opens, through the whole of Segue.

One click ends what the link is about and nothing else; opening a link ends nothing; what is
ticked is what the customer gets; a click leads only where it was signed to lead.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from segue.channels.links import Link, Tracking
from segue.hosts.arrivals import Arrival
from segue.kernel import plan
from segue.kernel.arbiter import consent
from segue.kernel.inputs import Consented
from segue.kernel.values import DAY, Instant
from tests.integration import conftest
from tests.integration.conftest import Segue

OFFERS = plan.Message(
    name="offers",
    topic="weekly-offers",
    contents={"email": {"subject": "x", "text": "x"}, "sms": {"body": "<b>x"}},
    expires_ms=DAY,
)
ORDER = plan.Message(
    name="order",
    topic="orders",
    purpose="transactional",
    contents={"email": {"subject": "x", "text": "x"}},
    expires_ms=DAY,
)


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Segue]:
    """A shop with two topics of marketing, and a customer."""
    workspace = plan.Workspace(name="Mug & <Spoon>")
    messages = (*conftest.PLAN.messages, OFFERS, ORDER)
    monkeypatch.setattr(
        conftest,
        "PLAN",
        msgspec.structs.replace(conftest.PLAN, workspace=workspace, messages=messages),
    )
    running = Segue(tmp_path, public_url="https://s.example")
    running.post("/v1/identify", {"userId": "ana", "traits": {"email": "ana@shop.example"}})
    yield running
    running.close()


def path(segue: Segue, kind: Any, topic: str = "news", **more: str) -> str:
    whose = segue.profile("user", "ana").id
    made = Link(kind, whose, more.get("send", "s1"), "email", topic, more.get("url", ""))
    return segue.installation.links.path(made)


def gets(segue: Segue) -> set[str]:
    profile, program = segue.profile("user", "ana"), segue.installation.host.program
    pairs = [("email", "news"), ("email", "weekly-offers"), ("sms", "weekly-offers")]
    return {f"{c}/{t}" for c, t in pairs if consent(program, profile, c, t) == "granted"}


def save(segue: Segue, *wanted: str, do: str = "save") -> Any:
    form = {"do": do, "want": list(wanted)}
    return segue.client.post(path(segue, "preferences"), data=form)


EVERYTHING = {"email/news", "email/weekly-offers", "sms/weekly-offers"}


def test_one_click_ends_what_the_link_is_about_and_nothing_else(known: Segue) -> None:
    target = path(known, "unsubscribe")
    answer = known.client.post(target, data={"List-Unsubscribe": "One-Click"})
    assert (answer.status_code, answer.text) == (200, "Unsubscribed.\n")
    assert "set-cookie" not in answer.headers
    assert gets(known) == EVERYTHING - {"email/news"}
    assert known.profile("user", "ana").consents["email/news"].source == "one-click"
    multipart = {"List-Unsubscribe": (None, "One-Click")}
    offers = path(known, "unsubscribe", "weekly-offers")
    assert known.client.post(offers, files=multipart).text == "Unsubscribed.\n"
    assert gets(known) == {"sms/weekly-offers"}


def test_opening_a_link_ends_nothing(known: Segue) -> None:
    before = list(known.store.snapshot())
    for kind in ("unsubscribe", "preferences"):
        for ask in (known.client.get, known.client.head):
            assert ask(path(known, kind)).status_code == 200
    assert list(known.store.snapshot()) == before
    assert gets(known) == EVERYTHING


def test_a_person_is_asked_and_told(known: Segue) -> None:
    target = path(known, "unsubscribe")
    page = known.client.get(target)
    assert "Stop News by email?" in page.text
    assert f'action="{target}"' in page.text
    said = known.client.post(target, data={"page": "1"}).text
    assert 'role="status"' in said and "no more News by email" in said
    assert gets(known) == EVERYTHING - {"email/news"}
    assert known.profile("user", "ana").consents["email/news"].source == "unsubscribe"


def test_the_page_shows_what_is_and_nothing_of_it_can_run(known: Segue) -> None:
    save(known, "email/news")
    page = known.client.get(path(known, "preferences"))
    assert re.findall(r'value="(\S+)" checked', page.text) == ["email/news"]
    assert "Mug &amp; &lt;Spoon&gt;" in page.text
    assert "orders" not in page.text.replace("your orders", "")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"


def test_what_is_ticked_is_what_the_customer_gets(known: Segue) -> None:
    for wanted in ({"email/news"}, EVERYTHING, {"sms/weekly-offers"}, set[str](), EVERYTHING):
        assert "Saved" in save(known, *wanted).text
        assert gets(known) == wanted
    save(known, *EVERYTHING, do="none")
    assert gets(known) == set()
    assert "email/orders" not in known.profile("user", "ana").consents


def test_unsubscribing_from_everything_leaves_letters_about_orders(known: Segue) -> None:
    link = path(known, "unsubscribe", "")
    assert known.client.post(link).text == "Unsubscribed.\n"
    assert gets(known) == {"sms/weekly-offers"}
    profile, program = known.profile("user", "ana"), known.installation.host.program
    assert consent(program, profile, "email", "orders") == "granted"


def test_a_ban_on_everything_is_lifted_for_what_is_ticked_only(known: Segue) -> None:
    host = known.installation.host
    no = Consented(channel="email", topic="*", state="denied", at=Instant(1), source="crm")
    host.ask([Arrival(input=no, profile=known.profile("user", "ana").id)])
    assert known.profile("user", "ana").consents["email/*"].state == "denied"
    assert gets(known) == {"sms/weekly-offers"}
    save(known, "email/news", "sms/weekly-offers")
    assert gets(known) == {"email/news", "sms/weekly-offers"}


def test_a_link_that_is_not_ours_does_nothing_and_says_so(known: Segue) -> None:
    before = list(known.store.snapshot())
    good = path(known, "unsubscribe")
    for bad in (good[:-2] + "xx", path(known, "open").replace("/o/", "/unsubscribe/")):
        for answer in (known.client.post(bad), known.client.get(bad)):
            assert answer.status_code == 404
            assert "did not work" in answer.text
    assert known.client.get("/v1/r/abc.def").status_code == 404
    assert list(known.store.snapshot()) == before


def greeted(segue: Segue) -> Any:
    segue.post("/v1/track", {"userId": "ana", "event": "Product Viewed"})
    whose = segue.profile("user", "ana").id
    return segue.wait_for(lambda: segue.store.outbox("done", whose))[0]


def test_a_click_leads_where_it_was_signed_to_lead_and_is_told(known: Segue) -> None:
    row = greeted(known)
    target = path(known, "click", url="https://shop.example/cart?a=1&b=2", send=row.id)
    assert known.client.head(target).headers["location"] == "https://shop.example/cart?a=1&b=2"
    assert known.profile("user", "ana").ledger[-1].clicked_at > 1 << 52
    answer = known.client.get(target)
    assert (answer.status_code, answer.headers["location"]) == (
        302,
        "https://shop.example/cart?a=1&b=2",
    )

    def clicked() -> bool:
        lines = known.profile("user", "ana").ledger
        return any(line.id == row.id and line.clicked_at < 1 << 52 for line in lines)

    known.wait_for(clicked)


def test_opens_are_told_and_machines_marked(known: Segue) -> None:
    row = greeted(known)
    target = path(known, "open", send=row.id)
    for agent in ("Mozilla/5.0", "Mozilla/5.0 (Macintosh) AppleWebKit/605 Safari/605"):
        picture = known.client.get(target, headers={"User-Agent": agent})
        assert picture.content.startswith(b"GIF89a")
        assert picture.headers["cache-control"] == "no-store"
    known.wait_for(lambda: 'segue_links_total{kind="open"} 1' in metrics(known))
    assert 'segue_links_total{kind="machine"} 1' in metrics(known)
    assert known.client.get("/v1/o/nonsense").content.startswith(b"GIF89a")


def metrics(segue: Segue) -> str:
    return segue.client.get("/metrics").text


def test_what_is_sent_carries_links_that_work(known: Segue) -> None:
    links = known.installation.links
    whose = known.profile("user", "ana").id
    page = links.tracked(
        '<a href="https://shop.example/">x</a>',
        Link("click", whose, "s1", "email", "news"),
        Tracking(clicks=True),
    )
    led = re.search(r'href="https://s\.example(/v1/r/\S+)"', page)
    assert led is not None
    assert known.client.get(led[1]).headers["location"] == "https://shop.example/"
