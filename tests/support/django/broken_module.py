"""A module of a project whose own import fails."""

import gatepass_missing_module  # noqa: F401
