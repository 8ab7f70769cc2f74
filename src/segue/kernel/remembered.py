"""What was found out of a program once, kept for whoever asks again.

Rule: it follows from the program alone, so that forgetting it costs time and changes nothing.
    At the bound all is forgotten, which is cheap and needs no order.
"""

from collections.abc import Callable
from typing import TypeVar

from segue.kernel.limits import REMEMBERED_MAX

_Key = TypeVar("_Key")
_Found = TypeVar("_Found")


class Remembered(dict[_Key, _Found]):
    """Answers by what was asked; what is not there yet is found, and kept."""

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[_Key], _Found]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, key: _Key) -> _Found:
        if len(self) >= REMEMBERED_MAX:
            self.clear()
        found = self[key] = self._find(key)
        return found
