"""Goal: what is documented is what there is: every route, refusal, code and counter."""

import re
from pathlib import Path

from segue import errors
from segue.connectors import segment
from segue.server.app import ROUTES

HTTP = (Path(__file__).parents[3] / "docs" / "reference" / "http.md").read_text()


def test_every_route_is_documented() -> None:
    for route in ROUTES:
        shown = route.path.replace(":path", "")
        assert f"{shown}`" in HTTP, f"{shown} is not in docs/reference/http.md"


def test_every_documented_route_exists() -> None:
    paths = {route.path.replace(":path", "") for route in ROUTES}
    for path in re.findall(r"`(?:GET |POST )?(/[a-zA-Z0-9_/{}.-]*)`", HTTP):
        known = path in paths or any(one.startswith(path.rstrip("/") + "/") for one in paths)
        assert known, f"{path} is in docs/reference/http.md and does not exist"


def test_every_reason_to_refuse_a_message_is_documented() -> None:
    for code in segment.REFUSALS:
        assert f"`{code}`" in HTTP, code


def test_every_error_of_the_server_has_a_code_a_status_and_a_hint() -> None:
    found = [
        error
        for error in vars(errors).values()
        if isinstance(error, type)
        and issubclass(error, errors.InputError)
        and error.code.startswith("INP7")
    ]
    assert len({error.code for error in found}) == len(found) >= 9
    for error in found:
        assert error.hint, error
        assert 400 <= error.status < 500
