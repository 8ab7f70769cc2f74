"""Situations of guardrails, offers and paths.

Rules as in `situations.py`. What each makes likely is its first line.
"""

from segue.kernel import expression as ex, plan
from segue.kernel.plan import END
from segue.kernel.values import Millis, Record
from segue.sim.plans_conditions import DAY, HOUR, MINUTE, PRODUCTS
from segue.sim.situations import Stage, State

ORDER = "Order Completed"


def the_order_comes_too_late(on: Stage) -> None:
    """A goal is reached when its time is over, or at its very end."""
    more = on.more
    within = more.choice((10 * MINUTE, HOUR))
    goal = plan.Goal(watch=plan.Watch(events=(ORDER,)), within_ms=Millis(within))
    on.journey(
        "a",
        (on.wait("w", within + 3 * HOUR, "s"), on.send("s", on.message("m"))),
        goal=goal,
    )
    on.begins()
    on.does(ORDER, within + more.choice((0, 1, 1, 20 * MINUTE, 2 * HOUR)))


def both_had_said(on: Stage) -> None:
    """Two who turn out to be one have said different things of one channel and topic."""
    more = on.more
    message = on.message("m", topic="news")
    on.journey("a", (plan.Send(id="s", next=END, message=message, channels=("webhook",)),))
    of = (more.choice(("webhook", "webhook", "*")), more.choice(("news", "*")))
    said: tuple[State, ...] = ("granted", "denied", "pending")
    states = more.sample(said, 2)
    on.identified(on.at, {"plan": "gold"})
    known, unknown = (on.user, ""), ("", f"x{on.number}.1")
    for state, by in zip(states, more.sample((known, unknown), 2), strict=True):
        on.consents(more.randrange(1, MINUTE), state, by=by, of=of)
    at = on.at + 2 * MINUTE
    # This signs them in on the other device.
    on.say(at, on.given(on.begun, at, anonymous_id=f"x{on.number}.1"))


def _incentive(on: Stage, what: str, worth: float, **more: object) -> plan.Incentive:
    lasts = Millis(on.more.choice((HOUR, 30 * HOUR)))
    given: dict[str, object] = {"lasts_ms": lasts, **more}
    name = on.name(f"i{what}")
    group = on.name(f"g{what}")
    return plan.Incentive(name=name, group=group, worth=worth, **given)  # type: ignore[arg-type]


def a_better_deal_comes_later(on: Stage) -> None:
    """Another journey offers what is worth more, or less, while a deal is alive."""
    more = on.more
    worths = more.choice(((5.0, 20.0), (5.0, 20.0), (20.0, 5.0), (10.0, 10.0)))
    for what, worth in zip("ab", worths, strict=True):
        message = on.message(f"m{what}", incentive=_incentive(on, what, worth))
        on.journey(what, (on.send("s", message),), on=f"{on.begun}{what}")
    on.does(f"{on.begun}a", 0)
    on.does(f"{on.begun}b", more.choice((1, MINUTE, 20 * MINUTE)))


def bought_while_it_waits_in_the_queue(on: Stage) -> None:
    """An order comes when what promotes the same product has not left yet."""
    more = on.more
    on.lags = True
    own = on.name("a")
    about = ex.Path("entry", ("product_id",))
    on.journey("a", (on.send("s", on.message("m", about=about), "w"), on.wait("w", DAY)))
    reach = plan.Reach(journeys=(own,))
    on.policies.append(plan.Suppression(name=on.name("b"), rule="bought", then="deny", reach=reach))
    product = more.choice(PRODUCTS)
    on.begins(0, {"product_id": product})
    bought = product if more.random() < 0.8 else more.choice(PRODUCTS)
    listed: Record = {"products": [{"product_id": bought, "price": 10}]}
    single: Record = {"product_id": bought}
    on.does(ORDER, more.choice((1, 500, 900, MINUTE)), more.choice((listed, single)))


def the_page_is_loaded_again(on: Stage) -> None:
    """What is on a page is asked for once more, and then a cap has room for one, or none."""
    more = on.more
    lasts = Millis(more.choice((HOUR, 4 * HOUR)))
    show = plan.Show(
        id="o",
        next=END,
        message=on.message("m"),
        placement=on.name("p"),
        lasts_ms=lasts,
        ends_on=more.choice((("dismissed",), ("clicked",))),
    )
    names = (
        on.journey("a", (show,)),
        on.journey("b", (on.send("s", on.message("n")),), on=f"{on.begun}b"),
    )
    on.policies.append(
        plan.Cap(
            name=on.name("c"),
            most=more.choice((1, 2, 2, 2)),
            per=more.choice(("window", "day", "session")),
            window_ms=Millis(5 * HOUR),
            reach=plan.Reach(journeys=names),
        )
    )
    on.begins()
    after = 0
    for _ in range(more.choice((2, 2, 3))):
        after += more.randrange(1, 3_000)
        on.asks(after, on.name("p"))
    on.does(f"{on.begun}b", after + more.randrange(1, MINUTE))


def it_ends_while_a_provider_takes_its_time(on: Stage) -> None:
    """What makes a message stale comes when a provider has it, or has just given it back."""
    more = on.more
    on.slow = True
    own = on.message("m")
    send = plan.Send(
        id="s", next="w", message=own, channels=more.choice((("webhook",), ("webhook", "sms")))
    )
    leaves = (plan.Watch(events=(ORDER,)),)
    on.journey("a", (send, on.wait("w", DAY)), exits=leaves)
    on.begins()
    on.does(ORDER, more.choice((1, 700, 5_000, 20_000, MINUTE, 4 * MINUTE)))


def an_offer_outlives_the_session(on: Stage) -> None:
    """What brings a coupon code is shown in one session, and in the next."""
    more = on.more
    pool = on.name("W")
    on.fills(pool, more.choice((1, 3, 4)))
    incentive = _incentive(on, "a", 10.0, coupons=pool)
    show = plan.Show(
        id="o",
        next=END,
        message=on.message("m", incentive=incentive),
        placement=on.name("p"),
        lasts_ms=Millis(6 * HOUR),
        ends_on=("dismissed",),
    )
    on.journey("a", (show,))
    on.begins()
    on.asks(more.randrange(1, MINUTE), on.name("p"))
    later = more.choice((31, 45, 100)) * MINUTE
    on.does("Product Viewed", later)
    on.asks(later + more.randrange(1, MINUTE), on.name("p"))


def a_coupon_is_named_before_the_order(on: Stage) -> None:
    """A checkout names the code long before the order does, if one comes."""
    more = on.more
    code = on.name("SAVE").upper()
    by = more.choice(((ORDER,), (ORDER,), (), ("Help Read",)))
    incentive = _incentive(on, "a", 10.0, code=code, redeemed_by=by)
    on.journey("a", (on.send("s", on.message("m", incentive=incentive), "w"), on.wait("w", HOUR)))
    on.begins()
    on.does(more.choice(("Checkout Started", "Page Viewed", "Help Read")), MINUTE, {"coupon": code})
    if more.random() < 0.7:
        on.does(ORDER, 2 * MINUTE, {"coupon": code, "product_id": "p1"})


def two_branches_turn_at_once(on: Stage) -> None:
    """One event makes the stronger paths of a branch and of the one inside it hold."""
    more = on.more
    seen = ex.Compare(">=", ex.Aggregate("count", ex.Stream((on.begun,))), ex.Literal(1))
    read = ex.Compare(
        ">=", ex.Aggregate("count", ex.Stream(("Help Read",)), Millis(HOUR)), ex.Literal(1)
    )

    def adapt(own: str, weak: str, strong: str) -> plan.Adapt:
        ways = (
            plan.Way(name="weak", when=seen, next=weak),
            plan.Way(name="strong", when=read, next=strong),
        )
        both = more.random() < 0.3
        return plan.Adapt(id=own, ways=ways, timeout_ms=Millis(0), otherwise=END, both_ways=both)

    steps: list[plan.Node] = [
        adapt("outer", "inner", "strong"),
        adapt("inner", "waits", "rises"),
        on.wait("waits", 5 * HOUR),
        plan.Audience(id="rises", next="stays", audience="inner", change="add"),
        on.wait("stays", 5 * HOUR),
        plan.Audience(id="strong", next="ends", audience="outer", change="add"),
        on.wait("ends", HOUR),
    ]
    outer, weak = plan.Placed("outer", 0), plan.Placed("inner", 0)
    within = {
        "inner": (outer,),
        "waits": (outer, weak),
        "rises": (outer, plan.Placed("inner", 1)),
        "stays": (outer, plan.Placed("inner", 1)),
        "strong": (plan.Placed("outer", 1),),
        "ends": (plan.Placed("outer", 1),),
    }
    on.journey("a", steps, within=within)
    on.begins()
    on.does("Help Read", more.choice((1, MINUTE, HOUR)))


def two_want_the_last_place(on: Stage) -> None:
    """Two messages are heard together, and a cap or a gap has room for one of them."""
    more = on.more
    priorities = more.sample((20, 50, 80), 2)
    names = [
        on.journey(what, (on.send("s", on.message(f"m{what}", priority=priority)),))
        for what, priority in zip("ab", priorities, strict=True)
    ]
    reach = plan.Reach(journeys=tuple(names))
    policy: plan.Policy = plan.Cap(
        name=on.name("c"),
        most=1,
        per=more.choice(("window", "window", "day")),
        window_ms=Millis(more.choice((HOUR, 5 * HOUR))),
        reach=reach,
        then=more.choice(("hold", "deny")),
    )
    if more.random() < 0.3:
        policy = plan.Gap(name=on.name("c"), least_ms=Millis(HOUR), reach=reach)
    on.policies.append(policy)
    on.begins()


def the_same_comes_again(on: Stage) -> None:
    """An event comes twice in a batch, in the next one, and when the process was restarted."""
    more = on.more
    often = ex.Aggregate("count", ex.Stream((on.begun,)), Millis(DAY))
    twice = ex.Compare(">=", often, ex.Literal(2))
    steps: list[plan.Node] = [
        plan.WaitUntil(
            id="u",
            watch=plan.Watch(when=twice),
            timeout_ms=Millis(2 * HOUR),
            met="s",
            timed_out=END,
        ),
        on.send("s", on.message("m")),
    ]
    on.journey("a", steps)
    event, other = on.given(on.begun, on.at), on.given("Help Read", on.at)
    on.say(on.at, *more.choice(((event,), (event, event), (event, other, event))))
    for _ in range(more.choice((1, 2))):
        later = more.choice((0, 1, MINUTE, HOUR))
        if more.random() < 0.5:
            on.fails(later, more.choice(("after", "before", "handing")))
        on.say(on.at + later, *more.choice(((event,), (other, event))))


def quiet_hours_end_for_many(on: Stage) -> None:
    """What quiet hours hold is paced when they end."""
    more = on.more
    start = 60 * more.randrange(24)
    on.journey("a", (on.send("s", on.message("m")),))
    on.policies.append(
        plan.QuietHours(
            name=on.name("q"),
            start=start,
            end=(start + 20 * 60) % (24 * 60),
            reach=plan.Reach(journeys=(on.name("a"),)),
            pace_ms=Millis(more.choice((0, 10 * MINUTE, HOUR))),
        )
    )
    on.begins()


ACTS = (
    the_order_comes_too_late,
    both_had_said,
    a_better_deal_comes_later,
    bought_while_it_waits_in_the_queue,
    the_page_is_loaded_again,
    it_ends_while_a_provider_takes_its_time,
    an_offer_outlives_the_session,
    a_coupon_is_named_before_the_order,
    two_branches_turn_at_once,
    two_want_the_last_place,
    the_same_comes_again,
    quiet_hours_end_for_many,
)
