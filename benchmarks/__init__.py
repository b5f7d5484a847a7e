"""How fast gatepass is beside its peers: `python -m benchmarks`. See README.md here."""
