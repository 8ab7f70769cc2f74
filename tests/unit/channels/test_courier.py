"""The courier: every delivery has its own outcome; what must not go out stays in the sandbox."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pytest

from segue.channels import limits
from segue.channels.courier import Courier, render_show
from segue.channels.letter import Letter, accepted
from segue.channels.links import Link, Links, Tracking
from segue.channels.secret import Secret
from segue.errors import StoreUnavailable, Unrenderable
from segue.hosts.limits import DELIVERY_MS_MAX
from segue.hosts.ports import Delivery, Outcome
from segue.kernel.effects import AssignTask, CallWebhook, ChangeAudience, Effect, Send, Show
from segue.kernel.plan import Message
from segue.kernel.values import NEVER, Instant, Millis, ProfileId, Record
from segue.stores.ports import KeptMessage

AT = Instant(1_790_000_000_000)
MESSAGES = {
    "remind": Message(
        name="remind",
        topic="cart",
        contents={
            "email": {"subject": "Hi {{ traits.name }}", "text": "{{ unsubscribe_url }}"},
            "sms": {"body": "Hi {{ traits.name }}"},
            "web": {"title": "{{ properties.title }}", "html": "<b>{{ properties.title }}</b>"},
        },
        expires_ms=Millis(1000),
    ),
    "broken": Message(
        name="broken",
        topic="cart",
        contents={"email": {"subject": "x", "text": "a\n{{ 1 | divided_by: 0 }}"}},
        expires_ms=Millis(1000),
    ),
}


class Post:
    """A line that writes down what it carries."""

    def __init__(self, *, resends_safely: bool = False) -> None:
        self.resends_safely = resends_safely
        self.carried: list[Letter] = []
        self.at_once = self.most_at_once = 0
        self.fault: BaseException | None = None
        self.seconds = 0.0
        self.closed = False

    async def carry(self, letter: Letter) -> Outcome:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(self.seconds)
        self.at_once -= 1
        if self.fault and letter.address == "boom":
            raise self.fault
        self.carried.append(letter)
        return accepted(f"post-{letter.id}")

    async def close(self) -> None:
        self.closed = True


@contextmanager
def courier(**changes: Any) -> Iterator[tuple[Courier, Post, list[KeptMessage]]]:
    post, kept = Post(), list[KeptMessage]()
    known: dict[str, Any] = {
        "messages": lambda program, name: MESSAGES.get(name) if program == "p" else None,
        "keep": kept.extend,
        "lines": {"email": post},
    }
    with closing(Courier(**(known | changes))) as made:
        yield made, post, kept


def send(number: int = 0, **changes: Any) -> Delivery:
    data: Record = {"traits": {"name": "Ana"}}
    known: dict[str, Any] = {
        "id": f"s{number}",
        "message": "remind",
        "channel": "email",
        "address": "ana@shop.example",
        "program": "p",
        "data": data,
        "not_after": NEVER,
    }
    return of(Send(**(known | changes)), f"s{number}")


def of(effect: Effect, name: str) -> Delivery:
    return Delivery(id=name, profile=ProfileId("ana"), effect=effect, attempt=1, at=AT)


def test_outcomes_stand_in_the_order_of_the_deliveries() -> None:
    with courier() as (made, post, kept):
        outcomes = made.deliver(
            [
                send(0),
                send(1, channel="sms"),
                send(2, message="broken"),
                send(3, message="gone"),
                send(4, program="old"),
                send(5, channel="push"),
                send(6),
            ]
        )
        assert [outcome.result for outcome in outcomes] == [
            "accepted",
            "accepted",
            "unrenderable",
            "unrenderable",
            "unrenderable",
            "unrenderable",
            "accepted",
        ]
        assert outcomes[6].provider_id == "post-s6"
        assert "text, line 2" in outcomes[2].detail
        assert "no message named 'gone'" in outcomes[3].detail
        assert "no content for push" in outcomes[5].detail
        assert [letter.id for letter in post.carried] == ["s0", "s6"]
        assert [message.id for message in kept] == ["s1"]
        assert kept[0].fields == {"body": "Hi Ana"}


def test_templates_see_the_unsubscribe_address_and_the_line_gets_it() -> None:
    links = Links(Secret("key"), "https://s.example")
    with courier(links=links) as (made, post, _):
        made.deliver([send(7)])
        (letter,) = post.carried
        assert letter.fields["text"] == letter.unsubscribe_url
        assert letter.unsubscribe_url.startswith("https://s.example/v1/unsubscribe/")
        told = links.read(letter.unsubscribe_url.rpartition("/")[2], "unsubscribe")
        assert told == Link("unsubscribe", "ana", "s7", "email", "cart")


def test_only_what_leaves_is_tracked() -> None:
    links = Links(Secret("key"), "https://s.example")
    linked = {"email": {"subject": "x", "html": '<a href="https://shop.example/cart">go</a>'}}
    message = Message(name="m", topic="cart", contents=linked, expires_ms=Millis(1000))
    known: dict[str, Any] = {"messages": lambda _program, _name: message, "links": links}
    wanted = Tracking(clicks=True, opens=True)
    with courier(**known, tracking=wanted, allowed=["ana@shop.example"]) as (made, post, kept):
        made.deliver([send(1), send(2, address="eve@shop.example")])
        page = post.carried[0].fields["html"]
        assert "https://s.example/v1/r/" in page and "https://s.example/v1/o/" in page
        assert kept[0].fields["html"] == linked["email"]["html"]
    with courier(**known) as (made, post, _):
        made.deliver([send(1)])
        assert post.carried[0].fields["html"] == linked["email"]["html"]


def test_a_bug_in_a_line_is_its_letters_alone() -> None:
    with courier() as (made, post, _):
        post.fault = ZeroDivisionError("oops")
        outcomes = made.deliver([send(0), send(1, address="boom"), send(2)])
        assert [outcome.result for outcome in outcomes] == ["accepted", "unknown", "accepted"]
        assert "oops" in outcomes[1].detail
        post.resends_safely = True
        assert made.deliver([send(1, address="boom")])[0].result == "try_later"


def test_a_line_that_hangs_is_given_up() -> None:
    with courier(letter_seconds=0.1) as (made, post, _):
        post.seconds = 30
        started = time.monotonic()
        assert made.deliver([send(0)])[0].result == "unknown"
        assert time.monotonic() - started < 5


def test_letters_travel_together_but_not_too_many() -> None:
    with courier() as (made, post, _):
        post.seconds = 0.02
        made.deliver([send(n) for n in range(120)])
        assert len(post.carried) == 120
        assert 10 < post.most_at_once <= 50


def test_a_provider_that_hangs_takes_no_place_from_another() -> None:
    slow, quick = Post(), Post()
    with courier(lines={"email": slow, "sms": quick}, letter_seconds=2) as (made, _, _):
        slow.seconds = 30
        hung = threading.Thread(target=made.deliver, args=([send(n) for n in range(80)],))
        hung.start()
        while slow.at_once < 50:
            time.sleep(0.01)
        assert made.deliver([send(99, channel="sms")])[0].result == "accepted"
        assert hung.is_alive(), "it did not wait for the other"
        hung.join()


def test_a_letter_never_keeps_its_worker_for_a_minute() -> None:
    assert limits.PLACE_SECONDS_MAX + limits.LETTER_SECONDS_MAX < DELIVERY_MS_MAX / 1000 - 5
    smtp = limits.SMTP_PLACE_SECONDS_MAX + limits.SMTP_LETTER_SECONDS_MAX
    assert smtp < limits.LETTER_SECONDS_MAX
    assert limits.CONNECT_SECONDS_MAX + limits.ANSWER_SECONDS_MAX < limits.LETTER_SECONDS_MAX


def test_what_was_simulated_never_leaves() -> None:
    with courier() as (made, post, kept):
        outcomes = made.deliver(
            [
                send(0, data={"traits": {"simulated": True, "name": "Ana"}}),
                send(1, data={"profile": {"simulated": True}}),
                send(2, data={"traits": {"simulated": "no"}}),
            ]
        )
        assert {outcome.result for outcome in outcomes} == {"accepted"}
        assert [(message.id, message.simulated) for message in kept] == [("s0", True), ("s1", True)]
        assert [letter.id for letter in post.carried] == ["s2"]


def test_calls_tasks_and_audiences_of_the_simulated_never_leave() -> None:
    out = Post()
    lines = {"webhook": out, "task": out, "ads": out}
    with courier(lines=lines) as (made, _, kept):
        for simulated in (True, False):
            told: list[Effect] = [
                CallWebhook(id="w", webhook="crm", body={}, simulated=simulated),
                AssignTask(id="t", title="Call", to="x", details={}, simulated=simulated),
                ChangeAudience(
                    id="a",
                    audience="buyers",
                    change="remove",
                    data={"email": "ana@shop.example"},
                    simulated=simulated,
                ),
            ]
            made.deliver([of(effect, effect.id) for effect in told])  # type: ignore[union-attr]
        assert [(message.channel, message.simulated) for message in kept] == [
            ("webhook", True),
            ("task", True),
            ("ads", True),
        ]
        assert [letter.channel for letter in out.carried] == ["webhook", "task", "ads"]


def test_test_mode_reaches_only_whom_it_allows() -> None:
    with courier(allowed=["Ana@shop.example", "@team.example"]) as (made, post, kept):
        made.deliver(
            [send(0), send(1, address="eve@shop.example"), send(2, address="x@TEAM.example")]
        )
        assert [letter.id for letter in post.carried] == ["s0", "s2"]
        assert [message.address for message in kept] == ["eve@shop.example"]


def test_the_sandbox_knows_a_send_that_comes_twice() -> None:
    with courier() as (made, _, _):
        first, again = (made.deliver([send(1, channel="sms")])[0] for _ in range(2))
        assert first == again
        assert made.resends_safely(send(1, channel="sms").effect)
        assert not made.resends_safely(send(1).effect)


def test_a_store_that_can_not_keep_is_tried_later() -> None:
    def keep(messages: Sequence[KeptMessage]) -> None:
        raise StoreUnavailable("full")

    with courier(keep=keep) as (made, _, _):
        outcomes = made.deliver([send(0), send(1, channel="sms")])
        assert [outcome.result for outcome in outcomes] == ["accepted", "try_later"]


def test_every_effect_that_leaves_has_a_channel() -> None:
    with courier() as (made, _, kept):
        outcomes = made.deliver(
            [
                of(CallWebhook(id="c", webhook="crm", body={"b": 1, "a": None}), "c"),
                of(AssignTask(id="t", title="Call Ana", to="sales", details={}), "t"),
                of(ChangeAudience(id="a", audience="cart", change="add", data={}), "a"),
                of(
                    Show(
                        id="w",
                        message="remind",
                        placement="hero",
                        channel="web",
                        program="p",
                        data={},
                        not_after=NEVER,
                    ),
                    "w",
                ),
            ]
        )
        assert [outcome.result for outcome in outcomes] == ["accepted"] * 3 + ["unrenderable"]
        assert [(m.channel, m.address) for m in kept] == [
            ("webhook", "crm"),
            ("task", "sales"),
            ("ads", "cart"),
        ]
        assert kept[0].fields == {"body": '{"a":null,"b":1}'}


def test_deliveries_may_come_from_several_threads() -> None:
    with courier() as (made, post, _):
        threads = [
            threading.Thread(target=made.deliver, args=([send(n)],), daemon=True) for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(post.carried) == 20
    assert post.closed


def test_a_show_is_rendered_for_its_placement() -> None:
    show = Show(
        id="w",
        message="remind",
        placement="hero",
        channel="web",
        program="p",
        data={"properties": {"title": "<5%>"}},
        not_after=NEVER,
    )
    assert render_show(MESSAGES["remind"], show) == {
        "title": "<5%>",
        "html": "<b>&lt;5%&gt;</b>",
    }
    with pytest.raises(Unrenderable, match="nothing for web"):
        render_show(MESSAGES["broken"], show)
