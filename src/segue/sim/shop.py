"""The simulated shop: its products and its people, drawn once per seed.

Products are spread over the fitted categories by their share, priced by their quantiles, and
looked at by popularity (a few much, many seldom). People have names, zones and consents.
"""

from datetime import UTC, datetime
from itertools import accumulate
from random import Random

import msgspec

from segue.kernel.values import Instant, Record
from segue.sim.behaviour import Behaviour, Category, price

PRODUCTS_PER_CATEGORY = 12
_MAKES = (
    "Alder", "Birk", "Corvo", "Dune", "Ember", "Fjord", "Grove", "Halden", "Isla", "Juno",
    "Kestrel", "Lumen", "Moor", "Nord", "Opal", "Pine", "Quill", "Rowan", "Slate", "Tern",
)  # fmt: skip
_KINDS = ("One", "Mini", "Plus", "Air", "Pro", "Classic", "Lite", "Go", "Max", "Studio")
_FIRST = (
    "Ada", "Ben", "Carla", "Dario", "Elin", "Femi", "Grace", "Hugo", "Ines", "Jonas", "Kira",
    "Leo", "Mina", "Nils", "Olga", "Pablo", "Rosa", "Sami", "Tara", "Uma", "Viktor", "Wanda",
    "Yusuf", "Zoe",
)  # fmt: skip
_LAST = (
    "Abel", "Brandt", "Costa", "Diaz", "Ek", "Fischer", "Garcia", "Holm", "Ito", "Jansen",
    "Khan", "Lopez", "Meyer", "Novak", "Okafor", "Perez", "Rossi", "Silva", "Tan", "Weber",
)  # fmt: skip
_ZONES = {
    "America/New_York": 25,
    "America/Chicago": 10,
    "America/Los_Angeles": 15,
    "Europe/London": 15,
    "Europe/Berlin": 20,
    "Asia/Kolkata": 5,
    "Asia/Tokyo": 5,
    "Australia/Sydney": 5,
}
_AGENTS = {
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148 Safari/604.1": 45,
    "Mozilla/5.0 (Linux; Android 14) Chrome/126.0 Mobile Safari/537.36": 25,
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0 Safari/537.36": 30,
}
_TOPICS = {"offers": 0.75, "cart": 0.9, "advice": 0.9, "feedback": 0.8, "news": 0.6}
"""How many of those with an account allow a topic."""


class Product(msgspec.Struct, frozen=True):
    """Something that the shop sells."""

    id: str
    name: str
    brand: str
    word: str
    price: float
    category: str

    def properties(self) -> Record:
        """As the ecommerce events say it."""
        said: Record = {
            "product_id": self.id,
            "name": self.name,
            "brand": self.brand,
            "price": self.price,
            "currency": "USD",
            "url": f"https://shop.example/products/{self.id}",
        }
        if self.category:
            said["category"] = self.category
        return said


class Shop:
    """The catalogue, and how people wander in it."""

    def __init__(self, rng: Random, behaviour: Behaviour) -> None:
        self._same_product = behaviour.same_product
        self._same_category = behaviour.same_category
        self._codes = [one.code for one in behaviour.categories]
        self._weights = [one.share for one in behaviour.categories]
        self._shelves = {
            one.code: _shelf(rng, one, n) for n, one in enumerate(behaviour.categories)
        }
        # The n-th product of a shelf is looked at 1/n as often as its first (Zipf).
        self._popular = list(accumulate(1 / (n + 1) for n in range(PRODUCTS_PER_CATEGORY)))

    def any(self, rng: Random) -> Product:
        """A product to begin with."""
        return self._of(rng, rng.choices(self._codes, self._weights)[0])

    def after(self, rng: Random, product: Product) -> Product:
        """The product looked at next."""
        if rng.random() < self._same_product:
            return product
        if rng.random() < self._same_category:
            return self._of(rng, product.category)
        return self.any(rng)

    def _of(self, rng: Random, code: str) -> Product:
        return rng.choices(self._shelves[code], cum_weights=self._popular)[0]


def _shelf(rng: Random, category: Category, number: int) -> list[Product]:
    word = (category.code.rsplit(".", 1)[-1] or "find").replace("_", " ")
    shelf: list[Product] = []
    for place in range(PRODUCTS_PER_CATEGORY):
        make = rng.choice(_MAKES)
        shelf.append(
            Product(
                id=f"p{number:02}{place:02}",
                name=f"{make} {rng.choice(_KINDS)} {word}",
                brand=make,
                word=word,
                price=price(rng, category),
                category=category.code,
            )
        )
    return shelf


class Shopper(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody; known to the shop only where there is an account, or after a checkout."""

    anonymous_id: str
    user_id: str
    first: str
    last: str
    zone: str
    agent: str
    phone: str
    account: bool
    sms: bool
    topics: dict[str, bool]

    def traits(self) -> Record:
        """What `identify` says."""
        return {
            "email": f"{self.first}.{self.last}.{self.user_id}@example.com".lower(),
            "first_name": self.first,
            "last_name": self.last,
            "phone": self.phone,
            "timezone": self.zone,
        }


def people(rng: Random, count: int, first: int = 0) -> list[Shopper]:
    """So many people, numbered from `first`."""
    return [_person(rng, number) for number in range(first, first + count)]


def _person(rng: Random, number: int) -> Shopper:
    return Shopper(
        anonymous_id=f"{rng.getrandbits(64):016x}-shopper",
        user_id=f"c{number:05}",
        first=rng.choice(_FIRST),
        last=rng.choice(_LAST),
        zone=rng.choices(list(_ZONES), list(_ZONES.values()))[0],
        agent=rng.choices(list(_AGENTS), list(_AGENTS.values()))[0],
        phone=f"+120255501{number % 100:02}",
        account=rng.random() < 0.4,
        sms=rng.random() < 0.3,
        topics={topic: rng.random() < share for topic, share in _TOPICS.items()},
    )


def iso(at: Instant) -> str:
    """An instant as browsers write it."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
