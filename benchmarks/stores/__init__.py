"""How fast the stores of refresh families are, beside what their databases can do at best."""
