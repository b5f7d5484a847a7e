"""Our own signing keys over time: published, active, retired, removed. Windows are computed from a few numbers."""

from gatepass.keyring.changes import EMERGENCY, Emergency
from gatepass.keyring.ring import KeyRing
from gatepass.keyring.timeline import RingKey

__all__ = ["EMERGENCY", "Emergency", "KeyRing", "RingKey"]
