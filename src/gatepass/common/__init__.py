"""Shared by all packages: checks of settings, limits, scopes, clocks, private files, per-process threads and locks.

Nothing about tokens, keys or HTTP belongs here.
"""
