"""Refresh tokens in the project's own database: a store on Django's ORM.

    INSTALLED_APPS = [..., "gatepass_django.refresh"]  # then: manage.py migrate

    service = TokenService(issuer, DjangoStore(), check_subject=...)

`manage.py gatepass_purge` deletes what ended; run it daily. The admin shows families, without their hashes.
"""

from gatepass_django.refresh.store import DjangoStore

__all__ = ["DjangoStore"]
