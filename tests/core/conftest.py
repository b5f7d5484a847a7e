"""How hypothesis runs here: without a deadline or a judgement of its own speed, since a busy machine is no fault of the
code, and again in one process, as mutation testing asks of it.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "gatepass", deadline=None, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow]
)
settings.load_profile("gatepass")
