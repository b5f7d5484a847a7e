"""Rotation of a service's own signing keys: published, active, retired, removed, at times computed from a few settings.

Rejects settings that contradict each other, and files that other users can read or replace.
"""

from gatepass.keyring.changes import EMERGENCY, Emergency
from gatepass.keyring.ring import KeyRing
from gatepass.keyring.timeline import RingKey

__all__ = ["EMERGENCY", "Emergency", "KeyRing", "RingKey"]
