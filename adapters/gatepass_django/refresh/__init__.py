"""Refresh tokens in the project's own database: a store that uses Django's ORM.

    INSTALLED_APPS = [..., "gatepass_django.refresh"]  # then: manage.py migrate

    service = TokenService(issuer, DjangoStore(), check_subject=...)

Run `manage.py gatepass_purge` daily to delete ended families. The admin lists families, without their hashes.
"""

from gatepass_django.refresh.store import DjangoStore

__all__ = ["DjangoStore"]
