"""Authenticate and authorize a request, and build the response to a refused one, without a framework.

No path is matched by prefix, and no text of a request reaches a header, a body or a log line.
"""
