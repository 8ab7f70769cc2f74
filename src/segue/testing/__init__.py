"""Journeys driven by hand, in virtual time, over the real engine: tests for what you wrote.

    from segue.testing import Segue

    segue = Segue("examples/01_cart_recovery")
    ana = segue.customer(email="ana@example.com")
    ana.does("Product Added", cart_id="c1", price=80)
    ana.waits("20m")
    ana.does("Order Completed", total=80)
    ana.waits("3d")
    assert ana.messages == []

Nothing here stands in for anything: the checker, the kernel, the host, the store and the
templates are those that run a shop. Only the clock is moved by hand, and no provider is called.
With pytest, ask for the fixture `segue` (`pytest --segue-workspace FOLDER`).
"""

from segue.testing.cases import Outcome, run_case
from segue.testing.customer import Customer
from segue.testing.seen import Answer, Message, Messages, Standing
from segue.testing.world import Segue

__all__ = ["Answer", "Customer", "Message", "Messages", "Outcome", "Segue", "Standing", "run_case"]
