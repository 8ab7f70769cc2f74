"""What people write: workspaces in YAML or Python, read, checked and compiled to a plan.

    loaded = define.load("examples/01_cart_recovery")
    print(define.render(loaded.diagnostics, loaded.sources))
    loaded.plan, loaded.hash

The steps, each in its own module: `text` reads YAML with places, `shape` reads trees as the
structs of `model`, `expressions` reads the expression language, `compile` and `steps` spell
everything out, `check` proves what the kernel relies on. `build` is the same in Python,
`schema` the same for editors, `outline` draws journeys.
"""

from segue.define.compile import plan_hash
from segue.define.diagnostics import Diagnostic, Place, as_json, render
from segue.define.expressions import check_expression
from segue.define.feeds import History, Reached
from segue.define.load import Loaded, load
from segue.define.sarif import as_sarif

__all__ = [
    "Diagnostic",
    "History",
    "Loaded",
    "Place",
    "Reached",
    "as_json",
    "as_sarif",
    "check_expression",
    "load",
    "plan_hash",
    "render",
]
