"""Stores of token families and revocations: in memory, SQLite, Redis, and SQL databases by SQLAlchemy.

Each implements `gatepass.refresh.RefreshStore` and `gatepass.revocation.RevocationStore`, which describe the methods.
Each module imports what it needs, and raises `ImportError` with the command that installs what is missing.
"""
