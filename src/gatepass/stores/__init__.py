"""Stores of token families and revocations. Each module imports what it needs, and says what is missing."""
