"""Whether threads run between two requests."""

import sys
from types import SimpleNamespace

import pytest

from gatepass.common.runtime import threads_are_frozen


@pytest.mark.parametrize("threads", [0, 1])
def test_the_thread_setting_of_uwsgi_is_used(monkeypatch, threads):
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt={}, has_threads=threads))

    assert threads_are_frozen() is (threads == 0)
