"""Stores of token families and revocations: in memory, in SQLite, in Redis, and in SQL databases through SQLAlchemy.

Each implements `gatepass.refresh.RefreshStore` and `gatepass.revocation.RevocationStore`, which describe the methods.
If a package is missing, the module that needs it raises `ImportError` with the command to install it.
"""
