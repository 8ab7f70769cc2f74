"""Stripe's webhooks, as orders, invoices, the life of a subscription, and MRR.

Rule 1: `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=...]`, HMAC-SHA256 of `t.body` with the
    whole `whsec_...` text; any v1 may match (secrets are rotated), other schemes are ignored,
    and what was signed more than `tolerance_ms` ago is refused.
Rule 2: who it is. Every event carries `stripe:<customer>` as anonymous id, and the shop's own id
    as user id where it is told: `client_reference_id` of a checkout, `user_id` in the metadata
    of customer or subscription (or the email, if so asked). That is what ties the two together.
Rule 3: MRR is what the items cost in a month of 365.25 / 12 days, quantities counted, discounts and
    taxes not; trials, pauses and ended subscriptions have none. It is a trait, `mrr`.
Rule 4: an update tells by `previous_attributes` what changed; each change is an event of its own.
"""

from segue.connectors.webhook import (
    Body,
    Headers,
    Refused,
    Unreadable,
    UserBy,
    Verified,
    decoded,
    email,
    filled,
    header,
    read,
    record,
    records,
    same,
    signature,
    too_large,
    when,
    word,
)
from segue.kernel.inputs import Event
from segue.kernel.values import MINUTE, Instant, Millis, Record

SOURCE = "stripe"
TOLERANCE = Millis(5 * MINUTE)
PAYING = ("active", "past_due", "unpaid")
DAYS_PER_MONTH = 365.25 / 12
DAYS: dict[str, float] = {"day": 1, "week": 7, "month": DAYS_PER_MONTH, "year": 365.25}
ZERO_DECIMAL = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split()  # noqa: SIM905
)
THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})


def receive(
    headers: Headers,
    body: bytes,
    secret: str,
    now: Instant,
    *,
    user_by: UserBy = "id",
    tolerance_ms: Millis = TOLERANCE,
) -> Verified | Refused:
    """Check and translate one delivery."""
    if refused := too_large(SOURCE, body):
        return refused
    signed = header(headers, "Stripe-Signature")
    if not signed:
        return Refused(source=SOURCE, reason="unsigned", detail="no Stripe-Signature")
    pairs = [part.strip().partition("=") for part in signed.split(",")]
    stamp = next((value for key, _, value in pairs if key == "t"), "")
    given = [value for key, _, value in pairs if key == "v1"]
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 13) or not given:
        return Refused(source=SOURCE, reason="unsigned", detail="no t, or no v1, in the signature")
    expected = signature(secret, stamp.encode() + b"." + body).hexdigest()
    # Every one is compared, so that the time taken does not tell which one matched.
    if not any([same(expected, one) for one in given]):  # noqa: C419
        return Refused(source=SOURCE, reason="forged")
    if int(stamp) * 1000 < now - tolerance_ms:
        return Refused(source=SOURCE, reason="too_old", detail=f"signed at {stamp}")
    return read(SOURCE, lambda: _translated(body, now, user_by))


def _translated(body: bytes, now: Instant, user_by: UserBy) -> Verified:
    said = record(decoded(body))
    number, topic = word(said.get("id")), word(said.get("type"))
    if said.get("object") != "event" or not number:
        raise Unreadable("not a Stripe event: `object` is not `event`, or there is no id")
    delivery = _Delivery(said, number, now, user_by)
    match topic:
        case "checkout.session.completed" | "checkout.session.async_payment_succeeded":
            return delivery.checkout()
        case "checkout.session.expired":
            return delivery.single("Checkout Expired", delivery.session())
        case "invoice.paid":
            return delivery.single("Invoice Paid", delivery.invoice(), key=delivery.number)
        case "invoice.payment_failed":
            return delivery.single("Payment Failed", delivery.invoice())
        case "charge.refunded":
            return delivery.single("Order Refunded", delivery.refund())
        case "customer.created" | "customer.updated":
            return delivery.customer()
        case "customer.subscription.created":
            return delivery.started()
        case "customer.subscription.updated":
            return delivery.updated()
        case "customer.subscription.deleted":
            return delivery.subscription_events("Subscription Cancelled")
        case "customer.subscription.trial_will_end":
            return delivery.subscription_events("Trial Ending")
        case _:
            return delivery.nothing(f"no event is made of type {topic!r}"[:120])


class _Delivery:
    """One genuine event of Stripe, being read."""

    def __init__(self, said: Body, number: str, now: Instant, user_by: UserBy) -> None:
        data = record(said.get("data"))
        self._id = number
        self._topic = word(said.get("type"))
        self._at = when(said.get("created"), now)
        self._user_by = user_by
        self._object = record(data.get("object"))
        self._before = record(data.get("previous_attributes"))
        self.number = word(self._object.get("id"))

    def nothing(self, why: str) -> Verified:
        """Nothing follows from it."""
        return Verified(source=SOURCE, id=self._id, topic=self._topic, ignored=why)

    def single(self, name: str, properties: Record, key: str = "") -> Verified:
        """One event; `key` names it where several deliveries may tell of the same thing."""
        return self._told([(name, properties)], key=key)

    def _told(
        self, events: list[tuple[str, Record]], traits: Record | None = None, key: str = ""
    ) -> Verified:
        if not self.number:
            raise Unreadable(f"{self._topic}: data.object has no id")
        user, anonymous = self._who()
        if not user and not anonymous:
            return self.nothing("it names no customer")
        made = [
            Event(
                id=f"{SOURCE}-{key or self._id}-{name.lower().replace(' ', '-')}",
                name=name,
                at=self._at,
                properties=properties,
                user_id=user,
                anonymous_id=anonymous,
                source=SOURCE,
                live=False,
            )
            for name, properties in events
        ]
        if traits:
            identified = Event(
                id=f"{SOURCE}-{self._id}",
                name="Profile Identified",
                kind="identify",
                at=self._at,
                traits=traits,
                user_id=user,
                anonymous_id=anonymous,
                source=SOURCE,
                live=False,
            )
            made.insert(0, identified)
        return Verified(source=SOURCE, id=self._id, topic=self._topic, events=tuple(made))

    def _who(self) -> tuple[str, str]:
        """(user id, anonymous id) by rule 2. An expanded customer is an object, else an id."""
        said = self._object
        customer = said.get("customer")
        if said.get("object") == "customer":
            customer = said
        metadata = record(said.get("metadata")) or record(record(customer).get("metadata"))
        number = word(customer) or word(record(customer).get("id"))
        user = word(said.get("client_reference_id")) or word(metadata.get("user_id"))
        address = self._address()
        if not user and self._user_by == "email":
            user = address
        if not user and not number and address:
            return "", f"stripe:{address}"  # a guest's checkout
        return user, f"stripe:{number}" if number else ""

    def _address(self) -> str:
        said = self._object
        details = record(said.get("customer_details"))
        billing = record(said.get("billing_details"))
        for one in (
            said.get("email"),
            said.get("customer_email"),
            details.get("email"),
            billing.get("email"),
            record(said.get("customer")).get("email"),
        ):
            if found := email(one):
                return found
        return ""

    # ── checkout, invoices, refunds, customers ──

    def session(self) -> Record:
        """What a checkout session says."""
        said = self._object
        details = record(said.get("total_details"))
        money = word(said.get("currency"))
        return filled(
            order_id=self.number,
            checkout_id=self.number,
            total=_money(said.get("amount_total"), money),
            subtotal=_money(said.get("amount_subtotal"), money),
            tax=_money(details.get("amount_tax"), money),
            discount=_money(details.get("amount_discount"), money),
            currency=money.upper(),
            mode=word(said.get("mode")),
            payment_intent=word(said.get("payment_intent")),
            subscription_id=word(said.get("subscription")),
        )

    def checkout(self) -> Verified:
        """An order, once it is paid; what comes later by bank completes it then."""
        said = self._object
        if said.get("payment_status") == "unpaid":
            return self.nothing("not paid yet: async_payment_succeeded will tell")
        details = record(said.get("customer_details"))
        traits = filled(
            email=self._address(), name=word(details.get("name")), phone=word(details.get("phone"))
        )
        # The subscription's own events tell of its start; an order would count it twice.
        events: list[tuple[str, Record]] = []
        if said.get("mode") in ("payment", None):
            events.append(("Order Completed", self.session()))
        return self._told(events, traits, key=self.number)

    def invoice(self) -> Record:
        """What an invoice says."""
        said = self._object
        money = word(said.get("currency"))
        parent = record(record(said.get("parent")).get("subscription_details"))
        return filled(
            invoice_id=self.number,
            number=word(said.get("number")),
            total=_money(said.get("total"), money),
            paid=_money(said.get("amount_paid"), money),
            due=_money(said.get("amount_remaining"), money),
            currency=money.upper(),
            reason=word(said.get("billing_reason")),
            subscription_id=word(said.get("subscription")) or word(parent.get("subscription")),
            attempt=said.get("attempt_count"),
            next_attempt_at=word(said.get("next_payment_attempt")),
            url=word(said.get("hosted_invoice_url")),
        )

    def refund(self) -> Record:
        """What a refunded charge says; `total` is all that was paid back so far."""
        said = self._object
        money = word(said.get("currency"))
        return filled(
            order_id=word(said.get("payment_intent")) or self.number,
            charge_id=self.number,
            total=_money(said.get("amount_refunded"), money),
            charged=_money(said.get("amount"), money),
            currency=money.upper(),
        )

    def customer(self) -> Verified:
        """A customer's traits."""
        said = self._object
        address = record(said.get("address"))
        traits = filled(
            email=email(said.get("email")),
            name=word(said.get("name")),
            phone=word(said.get("phone")),
            country=word(address.get("country")),
            stripe_customer=self.number,
        )
        return self._told([], traits)

    # ── subscriptions ──

    def started(self) -> Verified:
        """A subscription begins, perhaps with a trial."""
        if self._object.get("status") in ("incomplete", "incomplete_expired"):
            return self.nothing("its first payment is still open")
        trial = self._object.get("status") == "trialing"
        return self.subscription_events("Trial Started" if trial else "Subscription Started")

    def subscription_events(self, *names: str) -> Verified:
        """Events of this subscription, and what it makes of the customer's traits."""
        said = self._object
        properties = self._subscription()
        traits: Record = {
            "mrr": mrr(said),
            "subscription_status": word(said.get("status")),
            **filled(plan=_plan(said), currency=word(said.get("currency")).upper()),
        }
        return self._told([(name, properties) for name in names], traits)

    def _subscription(self) -> Record:
        said = self._object
        before = self._earlier()
        cancelled = record(said.get("cancellation_details"))
        return filled(
            subscription_id=self.number,
            status=word(said.get("status")),
            plan=_plan(said),
            mrr=mrr(said),
            mrr_before=mrr(before) if self._before else None,
            currency=word(said.get("currency")).upper(),
            ends_at=word(said.get("cancel_at")),
            trial_ends_at=word(said.get("trial_end")),
            reason=word(cancelled.get("reason")),
            feedback=word(cancelled.get("feedback")),
        )

    def _earlier(self) -> Body:
        """The subscription as it was; Stripe gives the whole of every key that changed."""
        return {**self._object, **self._before}

    def updated(self) -> Verified:
        """Rule 4."""
        said, before = self._object, self._before
        names: list[str] = []
        status = word(before.get("status")) or "same"
        match (status, word(said.get("status"))):
            case ("same", _):
                pass
            case ("trialing", "active"):
                names.append("Trial Converted")
            case ("incomplete", "active" | "trialing"):
                trial = said.get("status") == "trialing"
                names.append("Trial Started" if trial else "Subscription Started")
            case (_, "past_due" | "unpaid"):
                names.append("Subscription Past Due")
            case ("past_due" | "unpaid", "active"):
                names.append("Subscription Recovered")
            case (_, "paused"):
                names.append("Subscription Paused")
            case ("paused", "active"):
                names.append("Subscription Resumed")
            case _:
                pass
        if status == "same" and ({"items", "plan", "quantity"} & before.keys()):
            now, then = mrr(said), mrr(self._earlier())
            if now != then:
                names.append("Subscription Upgraded" if now > then else "Subscription Downgraded")
        if status == "same" and _period(before) and _period(before) < _period(said):
            names.append("Subscription Renewed")
        if before.get("cancel_at_period_end") is False and said.get("cancel_at_period_end"):
            names.append("Subscription Cancellation Scheduled")
        if before.get("cancel_at_period_end") is True and not said.get("cancel_at_period_end"):
            names.append("Subscription Cancellation Withdrawn")
        return self.subscription_events(*names)


def mrr(subscription: Body) -> float:
    """Monthly recurring revenue of a subscription, in the main unit (rule 3)."""
    if subscription.get("status") not in PAYING or subscription.get("pause_collection"):
        return 0.0
    money = word(subscription.get("currency"))
    items = records(record(subscription.get("items")).get("data"))
    if not items and subscription.get("plan"):
        items = [{"plan": subscription["plan"], "quantity": subscription.get("quantity")}]
    total = 0.0
    for item in items:
        price = record(item.get("price"))
        plan = record(item.get("plan"))
        recurring = record(price.get("recurring")) or plan
        unit = price.get("unit_amount_decimal") or price.get("unit_amount")
        if unit is None:
            unit = plan.get("amount_decimal") or plan.get("amount")
        cost = _money(unit, money or word(price.get("currency")) or word(plan.get("currency")))
        days = DAYS.get(word(recurring.get("interval")), 0.0)
        count = recurring.get("interval_count") or 1
        quantity = item.get("quantity")
        if cost is None or not days or not isinstance(count, int):
            continue
        factor = quantity if isinstance(quantity, int) else 1
        total += cost * factor * DAYS_PER_MONTH / (days * count)
    return round(total, 2)


def _plan(subscription: Body) -> str:
    """The name of the first item's price, for people: its lookup key, nickname or id."""
    items = records(record(subscription.get("items")).get("data"))
    price = record(items[0].get("price") or items[0].get("plan")) if items else {}
    price = price or record(subscription.get("plan"))
    return word(price.get("lookup_key")) or word(price.get("nickname")) or word(price.get("id"))


def _period(subscription: Body) -> int:
    """When the current period began; newer versions of the API tell it of each item."""
    found = subscription.get("current_period_start")
    if found is None:
        items = records(record(subscription.get("items")).get("data"))
        found = items[0].get("current_period_start") if items else None
    return found if isinstance(found, int) else 0


def _money(value: object, currency: str) -> float | None:
    """An amount in the smallest unit, as the main unit."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        units = float(value)
    except ValueError:
        return None
    money = currency.lower()
    scale = 1 if money in ZERO_DECIMAL else 1000 if money in THREE_DECIMAL else 100
    return round(units / scale, 6) if units - units == 0 else None
