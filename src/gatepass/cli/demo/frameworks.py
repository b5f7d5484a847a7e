"""The demo's frameworks by the names of their packages, and the server that runs each."""

__all__ = ["FRAMEWORKS", "SERVERS"]

FRAMEWORKS = {"flask": "Flask", "starlette": "Starlette", "fastapi": "FastAPI", "django": "Django"}
SERVERS = {"flask": "waitress", "starlette": "uvicorn", "fastapi": "uvicorn", "django": "uvicorn"}
