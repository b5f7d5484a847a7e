"""The migrations of `gatepass_django.refresh`."""
