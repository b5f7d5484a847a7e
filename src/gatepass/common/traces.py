"""The origin of an application's exception, for the log: its type and its frames, without its message.

The message may hold a token or a password; a file, a line and a function's name are the program's.
"""

from __future__ import annotations

import traceback
from typing import Final

__all__ = ["traced"]

_MAX_FRAMES: Final = 12
_MAX_CAUSES: Final = 4


def traced(error: BaseException) -> str:
    """The type of *error* and the frames that it passed, the innermost first, and the same of what it came from.

    >>> def ask():
    ...     return missing
    >>> try:
    ...     ask()
    ... except NameError as error:
    ...     print(traced(error).partition(" < ")[0])
    NameError at <doctest gatepass.common.traces.traced[0]>:2 in ask
    """
    told: list[str] = []
    current: BaseException | None = error
    while current is not None and len(told) < _MAX_CAUSES:
        told.append(_one(current))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return ", from ".join(told)


def _one(error: BaseException) -> str:
    frames = [
        f"{frame.f_code.co_filename}:{line} in {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    shown = " < ".join(reversed(frames[-_MAX_FRAMES:]))
    return f"{type(error).__qualname__} at {shown}" if shown else type(error).__qualname__
