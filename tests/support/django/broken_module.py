"""A project's module whose own import fails."""

import gatepass_of_nobody  # noqa: F401
