"""Laws are checked without a stopwatch: a slow machine must not look like a broken law."""

from hypothesis import settings

settings.register_profile("laws", deadline=None)
settings.load_profile("laws")
