"""A program that refreshes sessions until it is killed, and prints each token that it returned.

Arguments: the kind of store, its address, and the number of sessions. Each line is the number of a session and a token.
"""

import os
import sys
import threading

from tests.support.breaking_store import Clock, make_service
from tests.support.sessions import Session


def open_store(kind, place):
    if kind == "sqlite":
        from gatepass.stores.sqlite import SQLiteStore

        return SQLiteStore(place, timeout=60)
    if kind == "redis":
        from gatepass.stores.redis import RedisStore

        url, _, prefix = place.partition(" ")
        return RedisStore(url, prefix=prefix)
    from tests.support.databases import sql_databases

    return sql_databases.open_store(kind, place)


def serve_for_ever(service, number):
    session, said = Session(service, f"user-{number}"), None
    while session.wrong is None:
        if session.token != said:
            said = session.token
            os.write(1, f"{number} {said}\n".encode())
        session.refresh()
    os.write(1, f"{number} WRONG {type(session.wrong).__name__}\n".encode())


if __name__ == "__main__":
    service = make_service(open_store(*sys.argv[1:3]), Clock(), grace=60)
    for number in range(int(sys.argv[3])):
        threading.Thread(target=serve_for_ever, args=(service, number)).start()
