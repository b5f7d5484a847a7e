"""Asks for the published advisories on every lower bound, by pip-audit, and fails where there is one.

    python tests/support/audit.py [OPTIONS OF pip-audit]

The bounds are what the environment py311-oldest of tox.ini installs. A mirror of the package index may answer with no
advisories at all: that is said, and is a failure where GATEPASS_REQUIRE_ADVISORIES is 1.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

IGNORED: dict[str, str] = {}
"""Advisories that do not touch what gatepass uses, or that no version mends: the identifier, and the reason."""

_TOX = Path(__file__).resolve().parents[2] / "tox.ini"
_PIN = re.compile(r"^\s*oldest: ([\w-]+==\S+)$", re.MULTILINE)


def pins(tox_ini):
    """The lower bounds in the text of tox.ini, as requirements."""
    return _PIN.findall(tox_ini)


def verdict(report, *, required):
    """The exit status for what pip-audit reports, and the lines that explain it."""
    asked = report["dependencies"]
    unanswered = [one for one in asked if "skip_reason" in one]
    if len(unanswered) == len(asked) and not required:
        return 0, [f"NOT AUDITED: this package index has no advisories, on none of {len(asked)} packages"]
    lines = [f"{one['name']}: not audited: {one['skip_reason']}" for one in unanswered]
    for one in asked:
        lines += [
            f"{one['name']} {one['version']}: {', '.join([found['id'], *found['aliases']])}, "
            f"mended in {', '.join(found['fix_versions']) or 'no version'}"
            for found in one.get("vulns", [])
        ]
    return (1, lines) if lines else (0, [f"no advisories on {len(asked)} lower bounds"])


def main(options):
    with tempfile.TemporaryDirectory() as folder:
        bounds = Path(folder, "bounds.txt")
        bounds.write_text("\n".join(pins(_TOX.read_text(encoding="utf-8"))), encoding="utf-8")
        ignored = [option for name in IGNORED for option in ("--ignore-vuln", name)]
        command = ["pip-audit", "--no-deps", "--disable-pip", "--format", "json", "-r", bounds, *ignored, *options]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if not asked.stdout:
        print(asked.stderr, file=sys.stderr)
        return asked.returncode or 1
    status, lines = verdict(json.loads(asked.stdout), required=os.environ.get("GATEPASS_REQUIRE_ADVISORIES") == "1")
    print(*lines, sep="\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
