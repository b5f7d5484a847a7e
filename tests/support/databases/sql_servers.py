"""PostgreSQL and MariaDB servers that a test may kill and restart.

Their files are in a folder that is removed with them. If the tests run as root, they run as an unprivileged user.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from tests.support.databases.services import PATIENCE, bound, program
from tests.support.ports import free_port

_PATIENCE = 2 * PATIENCE
_BESIDE_THE_PATH = ("/usr/sbin", "/sbin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)))


class DatabaseServer:
    """A server with its files in *folder*. A subclass has its commands and the query for its data folder."""

    scheme, user, home, name, where = "", "", "", "", ""

    def __init__(self, folder):
        self._folder = folder
        self._process = None
        self.port = 0

    @property
    def url(self):
        return self._url(self.name)

    def open(self):
        """Create the data folder, start the server and create the database."""
        self.make()
        for _ in range(5):  # another process may have taken the port meanwhile
            self.port = free_port()
            if self._serves():
                break
        else:
            raise AssertionError(self._said())
        self.execute(f"CREATE DATABASE {self.name}", at=self.home)

    def start(self):
        """Start the server and wait until it responds. It cannot start before all killed processes have exited."""
        until = time.monotonic() + _PATIENCE
        while not self._serves():
            assert time.monotonic() < until, self._said()
            time.sleep(0.1)

    def _serves(self):
        """Return whether it responds, and no other server on its port."""
        self._process = self._popen(*self.command())
        until = time.monotonic() + _PATIENCE
        while self._process.poll() is None and time.monotonic() < until:
            try:
                if Path(self.execute(self.where, at=self.home)) == self._folder / "data":
                    return True
            except DBAPIError:
                pass
            time.sleep(0.05)
        if self._process.poll() is None:
            self.kill()
        return False

    def kill(self):
        """Kill the server and all its processes with SIGKILL."""
        self._process.send_signal(signal.SIGSTOP)  # it starts no further process while they are counted
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        for pid in [self._process.pid, *_children(self._process.pid)]:
            with suppress(ProcessLookupError):  # it ended with its parent
                os.kill(pid, signal.SIGKILL)
        self._process.wait(_PATIENCE)

    def close(self):
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT if self.scheme.startswith("postgresql") else signal.SIGTERM)
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()

    def execute(self, statement, *, at):
        """Execute *statement* and return its first value, if there is one."""
        engine = create_engine(self._url(at), isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": PATIENCE})
        try:
            with engine.connect() as connection:
                result = connection.execute(text(statement))
                return result.scalar() if result.returns_rows else None
        finally:
            engine.dispose()

    def run(self, *command):
        done = self._popen(*command)
        assert done.wait(_PATIENCE) == 0, self._said()

    def _said(self):
        return (self._folder / "log").read_text()[-2_000:]

    def _popen(self, *command):
        # A starting MariaDB removes the temporary tables of every other server with the same temporary folder.
        place = {**os.environ, "TMPDIR": str(self._folder)}
        with (self._folder / "log").open("a") as log:
            return subprocess.Popen(
                bound(list(map(str, command))),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder, env=place, **_OWNER,
            )  # fmt: skip

    def _url(self, name):
        url = make_url(f"{self.scheme}://{self.user}@127.0.0.1:{self.port}/{name}")
        return url.render_as_string(hide_password=False)


class PostgreSQLServer(DatabaseServer):
    scheme, user, home, name = "postgresql+psycopg", "gatepass", "postgres", "gatepass"
    where = "SHOW data_directory"

    def make(self):
        command = [_binary("initdb"), "-D", self._folder / "data", "-U", self.user, "-A", "trust", "--no-sync"]
        self.run(*command, "-E", "UTF8", "--locale=C")

    def command(self):
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=60"]
        options.append("fsync=off")  # the kernel outlives the killed server, and keeps what was written
        return [_binary("postgres"), "-D", self._folder / "data", *(part for one in options for part in ("-c", one))]


class MariaDBServer(DatabaseServer):
    scheme, user, home, name = "mysql+pymysql", "root", "mysql", "gatepass"
    where = "SELECT @@datadir"

    def make(self):
        command = [_binary("mariadb-install-db"), "--no-defaults", f"--datadir={self._folder / 'data'}"]
        self.run(*command, "--auth-root-authentication-method=normal", "--skip-test-db")

    def command(self):
        return [
            _binary("mariadbd"), "--no-defaults", f"--datadir={self._folder / 'data'}", f"--port={self.port}",
            "--bind-address=127.0.0.1", f"--socket={self._folder / 'socket'}", f"--pid-file={self._folder / 'pid'}",
            "--skip-name-resolve", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M",
            "--character-set-server=latin1",
        ]  # fmt: skip


@contextmanager
def database_server(kind):
    """Yield a running server of *kind*, which is stopped and removed with its files afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="gatepass-server-"))
    if _OWNER:
        os.chown(folder, _OWNER["user"], _OWNER["group"])
    server = {"postgresql": PostgreSQLServer, "mariadb": MariaDBServer}[kind](folder)
    try:
        server.open()
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


def _owner():
    """Return the user that runs the servers, because PostgreSQL does not run as root."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")  # codespell:ignore nobody
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


_OWNER = _owner()


def _binary(name):
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(_BESIDE_THE_PATH))
    return found or program(name)


def _children(parent):
    pairs = subprocess.run(["ps", "-Ao", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split()
    return [int(pid) for pid, of in zip(pairs[::2], pairs[1::2], strict=True) if int(of) == parent]
