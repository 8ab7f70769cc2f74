"""Goal: the guide for apps and servers is true to the letter: its workspace, its calls, its answers."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from segue import wiring
from tests.integration.conftest import KEY, Segue

GUIDE = (Path(__file__).parents[2] / "docs/guides/apps-and-servers.md").read_text("utf-8")
_VARIES = ("decision_id", "id", "expires_at")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def _masked(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: "…" if key in _VARIES else _masked(one) for key, one in value.items()}


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_calls_of_the_guide_are_answered_as_it_says(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "workspace.yaml").write_text(_blocks("yaml")[0], encoding="utf-8")
    loaded = wiring.read_workspace(tmp_path / "workspace")
    assert loaded.diagnostics == ()
    segue = Segue(tmp_path)

    def curl(command: str) -> Any:
        here = command.replace("localhost:8400", segue.url).replace("YOUR_WRITE_KEY", KEY)
        done = subprocess.run(
            ["bash", "-c", here.replace("curl ", "curl -sS ", 1)],
            check=True, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        return json.loads(done.stdout)

    try:
        segue.installation.host.publish(loaded.hash, wiring.encoded(loaded))
        said, asked, reported, polled = _blocks("bash")
        assert curl(said) == {"success": True}
        answer = curl(asked)
        assert _masked(answer) == json.loads(_blocks("json")[0])
        offer = answer["placements"]["home-hero"]["id"]
        again = curl(asked)["placements"]["home-hero"]
        assert (again["id"], again["again"]) == (offer, True)
        assert curl(reported.replace("THE_ID", offer)) == {"success": True, "known": True}
        assert curl(asked)["placements"]["home-hero"] is None, "it has done its work"
        assert set(curl(polled)) == {"cursor", "decide", "withdrawn"}
    finally:
        segue.close()
