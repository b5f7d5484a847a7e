"""What `manage.py migrate` does for `gatepass_django.refresh`."""
