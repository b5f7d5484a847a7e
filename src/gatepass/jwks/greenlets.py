"""Where gevent has replaced the threads by greenlets, a fetch needs a real one: its event loop would be that of every
greenlet of the process. Nothing is loaded here that the application has not loaded itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

__all__ = ["in_a_real_thread"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def in_a_real_thread(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """*call* in the thread that we are in, or in one of gevent's pool while this greenlet waits and others go on."""
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return call(*args, **kwargs)
    gevent: Any = sys.modules["gevent"]
    return cast("_T", gevent.get_hub().threadpool.apply(call, args, kwargs))
