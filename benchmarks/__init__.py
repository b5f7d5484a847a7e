"""The speed of gatepass compared with other libraries: `python -m benchmarks`. See README.md here."""
