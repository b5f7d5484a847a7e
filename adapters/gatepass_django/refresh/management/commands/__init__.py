"""The command `gatepass_purge`."""
