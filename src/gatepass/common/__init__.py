"""Tools for every room: checks of settings, limits, scopes, clocks, private files, threads and locks of a process.

No tokens, keys or HTTP here.
"""
