"""A module of a project whose own import fails."""

import gatepass_of_nobody  # noqa: F401
