"""A service's own signing keys over time: published, active, retired, removed, at instants computed from a few numbers.

Refused are numbers that contradict each other, and files that other users can read or replace.
"""

from gatepass.keyring.changes import EMERGENCY, Emergency
from gatepass.keyring.ring import KeyRing
from gatepass.keyring.timeline import RingKey

__all__ = ["EMERGENCY", "Emergency", "KeyRing", "RingKey"]
