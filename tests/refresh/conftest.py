"""Give each test a service on a store that can fail, and the clock of both."""

from tests.support.breaking_store import clock, service, store

__all__ = ["clock", "service", "store"]
