"""Query the published advisories on every lower bound with pip-audit, and fail if there is one.

    python tests/support/audit.py [OPTIONS OF pip-audit]

The bounds are those that the environment py311-oldest of tox.ini installs. A mirror of the package index may have no
advisories at all: that is printed, and is a failure if GATEPASS_REQUIRE_ADVISORIES is 1.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

IGNORED: dict[str, str] = {}
"""Advisories that do not affect gatepass, or that no version fixes: the identifier and the reason."""

_TOX = Path(__file__).resolve().parents[2] / "tox.ini"
_PIN = re.compile(r"^\s*oldest: ([\w-]+==\S+)$", re.MULTILINE)


def pins(tox_ini):
    """Return the lower bounds in the text of tox.ini, as requirements."""
    return _PIN.findall(tox_ini)


def verdict(report, *, required):
    """Return the exit status for the report of pip-audit, and the lines that explain it."""
    audited = report["dependencies"]
    unanswered = [one for one in audited if "skip_reason" in one]
    if len(unanswered) == len(audited) and not required:
        return 0, [f"NOT AUDITED: this package index has no advisories, on none of {len(audited)} packages"]
    lines = [f"{one['name']}: not audited: {one['skip_reason']}" for one in unanswered]
    for one in audited:
        lines += [
            f"{one['name']} {one['version']}: {', '.join([found['id'], *found['aliases']])}, "
            f"mended in {', '.join(found['fix_versions']) or 'no version'}"
            for found in one.get("vulns", [])
        ]
    return (1, lines) if lines else (0, [f"no advisories on {len(audited)} lower bounds"])


def main(options):
    with tempfile.TemporaryDirectory() as folder:
        bounds = Path(folder, "bounds.txt")
        bounds.write_text("\n".join(pins(_TOX.read_text(encoding="utf-8"))), encoding="utf-8")
        ignored = [option for name in IGNORED for option in ("--ignore-vuln", name)]
        command = ["pip-audit", "--no-deps", "--disable-pip", "--format", "json", "-r", bounds, *ignored, *options]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    if not result.stdout:
        print(result.stderr, file=sys.stderr)
        return result.returncode or 1
    status, lines = verdict(json.loads(result.stdout), required=os.environ.get("GATEPASS_REQUIRE_ADVISORIES") == "1")
    print(*lines, sep="\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
