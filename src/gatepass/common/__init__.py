"""What every room uses: settings that are checked once, limits, scopes, clocks, and what a process owns.

Nothing here knows tokens, keys or HTTP.
"""
