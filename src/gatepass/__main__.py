"""`python -m gatepass` is the command `gatepass`."""

from gatepass.cli import main

if __name__ == "__main__":
    main()
