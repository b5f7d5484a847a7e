"""A program that rotates families of a SQLite store until it is killed.

It prints a line before and after each rotation: the number of the family, "try" or "done", and the current hash.
"""

import os
import sys
import threading

from gatepass.stores.sqlite import SQLiteStore
from gatepass.testing.base import make_family


def rotate_for_ever(store, number):
    one = make_family(subject=f"family-{number}")
    store.create(one.family)
    say(number, "done", one)
    while True:
        one, rotation = one.next()
        say(number, "try", one)
        assert store.rotate(one.family.family_id, rotation)
        say(number, "done", one)


def say(number, what, one):
    os.write(1, f"{number} {what} {one.family.family_id} {one.family.current_hash.hex()}\n".encode())


if __name__ == "__main__":
    store = SQLiteStore(sys.argv[1], timeout=60)  # others write too, and more often
    for number in range(int(sys.argv[2])):
        threading.Thread(target=rotate_for_ever, args=(store, number)).start()
