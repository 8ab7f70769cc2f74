"""Counts since the start, for the live page and for Prometheus.

Rule: counted from what was committed (facts) or answered, never from what was attempted.
"""

from collections import Counter
from collections.abc import Sequence
from threading import Lock

from segue.hosts.arrivals import Answer
from segue.hosts.facts import Fact
from segue.stores.ports import Counts, SetAside

_KEYS_MAX = 1_000
"""Different label values per metric; beyond, they are counted as `other`."""


class Metrics:
    """Counters that several threads add to."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[str, Counter[tuple[str, ...]]] = {}

    def add(self, name: str, *labels: str, by: int = 1) -> None:
        """Count."""
        with self._lock:
            counter = self._counts.setdefault(name, Counter())
            if labels not in counter and len(counter) >= _KEYS_MAX:
                labels = ("other",) * len(labels)
            counter[labels] += by

    def received(self, source: str, answers: Sequence[Answer]) -> None:
        """Count what arrived at the door, by what became of it."""
        for status, count in Counter(answer.status for answer in answers).items():
            self.add("segue_arrivals_total", source, status, by=count)

    def set_aside(self, bad: Sequence[SetAside]) -> None:
        """Count bad inputs by their code."""
        for (source, code), count in Counter((one.source, one.code) for one in bad).items():
            self.add("segue_set_aside_total", source, code, by=count)

    def unrenderable(self, message: str, _reason: str) -> None:
        """Count a template error on a page."""
        self.add("segue_unrenderable_total", message)

    def told(self, facts: Sequence[Fact]) -> None:
        """Count what was committed."""
        for fact in facts:
            match fact.kind:
                case "event":
                    self.add("segue_events_total")
                case "decision":
                    outcome, reason = _text(fact, "outcome"), _text(fact, "reason")
                    self.add("segue_decisions_total", outcome, reason)
                case "send":
                    self.add("segue_sends_total", _text(fact, "channel"))
                case "show":
                    self.add("segue_shows_total", _text(fact, "placement"))
                case "receipt":
                    labels = (_text(fact, "channel"), _text(fact, "state"))
                    self.add("segue_receipts_total", *labels)
                case "withdraw":
                    self.add("segue_withdrawn_total", _text(fact, "reason"))
                case "run":
                    self.add("segue_runs_total", fact.name, _text(fact, "change"))
                case "segment" | "set_aside":
                    pass

    def counted(self, name: str) -> dict[tuple[str, ...], int]:
        """One metric, by its labels."""
        with self._lock:
            return dict(self._counts.get(name, {}))

    def total(self, name: str) -> int:
        """One metric's sum."""
        return sum(self.counted(name).values())

    def text(self, counts: Counts, watchers: int, dropped: int) -> str:
        """Everything in Prometheus' text format."""
        lines: list[str] = []
        for name, (labels, words) in sorted(METRICS.items()):
            lines += [f"# HELP {name} {words}", f"# TYPE {name} counter"]
            found = self.counted(name)
            if not labels:
                lines.append(f"{name} {found.get((), 0)}")
            for values, count in sorted(found.items()) if labels else ():
                pairs = zip(labels, values, strict=True)
                inside = ",".join(f'{label}="{_escaped(value)}"' for label, value in pairs)
                lines.append(f"{name}{{{inside}}} {count}")
        gauges = {
            "segue_profiles": (counts.profiles, "Profiles in the store."),
            "segue_stored_events": (counts.events, "Events in the log."),
            "segue_profiles_waiting": (counts.waiting, "Profiles with a wake-up to come."),
            "segue_outbox_queued": (counts.queued, "Sends that wait in the outbox."),
            "segue_outbox_claimed": (counts.claimed, "Sends in the hands of a channel."),
            "segue_outbox_dead": (counts.dead, "Dead letters."),
            "segue_stored_set_aside": (counts.set_aside, "Bad inputs kept."),
            "segue_live_watchers": (watchers, "Readers of the live stream."),
            "segue_live_watchers_dropped": (dropped, "Readers let go because they were slow."),
        }
        for name, (value, words) in gauges.items():
            lines += [f"# HELP {name} {words}", f"# TYPE {name} gauge", f"{name} {value}"]
        return "\n".join(lines) + "\n"


METRICS: dict[str, tuple[tuple[str, ...], str]] = {
    "segue_arrivals_total": (("source", "status"), "Inputs answered, by what became of them."),
    "segue_decisions_total": (("outcome", "reason"), "Proposals, by outcome and reason."),
    "segue_callbacks_total": (
        ("provider", "result"),
        "Callbacks of sources and providers, by what became of them; forged ones only here.",
    ),
    "segue_events_total": ((), "Events accepted, those that Segue emitted included."),
    "segue_links_total": (("kind",), "Links of messages that were followed, by kind."),
    "segue_receipts_total": (("channel", "state"), "What became of sends."),
    "segue_runs_total": (("journey", "change"), "Runs entered, moved, ended."),
    "segue_sends_total": (("channel",), "Messages queued."),
    "segue_set_aside_total": (("source", "code"), "Bad inputs, by code."),
    "segue_shows_total": (("placement",), "Messages put into placements."),
    "segue_unrenderable_total": (("message",), "Template errors on pages."),
    "segue_withdrawn_total": (("reason",), "Sends and shows taken back."),
}
"""Every counter: its labels and what it counts."""


def _text(fact: Fact, name: str) -> str:
    value = fact.detail.get(name)
    return value if isinstance(value, str) else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
