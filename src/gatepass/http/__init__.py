"""From a request's credentials to an access token, and from a refusal to a response, without a framework.

No path is matched by its beginning, and no text of a request reaches a header, a body or a log.
"""
