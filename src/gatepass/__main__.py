"""Run the command `gatepass` as `python -m gatepass`."""

from gatepass.cli import main

if __name__ == "__main__":
    main()
