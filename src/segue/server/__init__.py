"""HTTP in, a live stream out, and the page that shows it. Floor 7; the only async one.

Rule 1: nothing here blocks the event loop: work goes to the host's queue, reading of the
    store and of large bodies to threads.
Rule 2: 200 is said after the commit, never before.
Rule 3: every refusal has one shape: `{"code", "message", "hint"}` (`problems.py`).
"""
