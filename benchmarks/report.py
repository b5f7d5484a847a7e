"""Turn the timings of several processes into text: medians of ratios, with their spread."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from benchmarks.frameworks import BARE, BY_HAND, CACHED, FRAMEWORKS, OURS
from benchmarks.interleave import Timing
from benchmarks.peers import PYJWT
from benchmarks.primitive import PRIMITIVE
from benchmarks.remote_keys import AT_HAND, FETCHED_KEYS, ONCE_MORE
from benchmarks.sample import AGAIN, FETCHED, ISSUED, VERIFIED

__all__ = ["Runs", "Spread", "markdown", "speedups"]

Runs = list[dict[str, dict[str, Timing]]]
"""The timings of each process, by job and contender."""


class Spread:
    """One figure, measured by several processes."""

    def __init__(self, values: Iterable[float]) -> None:
        ordered = sorted(values)
        self.minimum, self.median, self.maximum = ordered[0], statistics.median(ordered), ordered[-1]

    def text(self, digits: int, unit: str = "") -> str:
        middle = f"{self.median:.{digits}f}{unit}"
        if self.minimum == self.maximum:
            return middle
        return f"{middle} ({self.minimum:.{digits}f} to {self.maximum:.{digits}f})"


def speedups(runs: Runs, job: str) -> dict[str, Spread]:
    """Return the throughput of each contender at *job*, relative to that of PyJWT."""
    return {name: Spread(run[job][PYJWT].minimum / run[job][name].minimum for run in runs) for name in runs[0][job]}


def markdown(runs: Runs) -> str:
    """Return all tables."""
    return "\n".join(
        [
            _circumstances(runs),
            "",
            "### Verify a token",
            "",
            *_race(runs, "verify", VERIFIED),
            "",
            "### Verify the same token again",
            "",
            *_again(runs),
            "",
            "### Verify with keys from a key server",
            "",
            *_fetched(runs),
            "",
            "### Issue a token",
            "",
            *_race(runs, "issue", ISSUED),
            "",
            "### Cost of protection per request",
            "",
            *_requests(runs),
            "",
            "### Refuse hostile input",
            "",
            *_refusals(runs),
            "",
            "### Import time",
            "",
            *_imports(runs),
        ]
    )


def _circumstances(runs: Runs) -> str:
    versions = ", ".join(f"{name} {_version(name)}" for name in ("pyjwt", "cryptography", "joserfc", "oxyjwt"))
    frameworks = ", ".join(f"{name} {_version(name)}" for name in FRAMEWORKS)
    return (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.machine()}; {versions}; "
        f"{frameworks}. {len(runs)} processes; each figure is their median, with the "
        "minimum and the maximum in parentheses."
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _race(runs: Runs, job: str, algorithms: tuple[str, ...]) -> list[str]:
    """Return the rows of microseconds, best and median turn, and of the factor over PyJWT."""
    lines = [
        "Best turn / median turn in µs, then the throughput relative to PyJWT, from the best turns.",
        "",
        _row("", *algorithms),
        _row("---", *("---:" for _ in algorithms)),
    ]
    for name in runs[0][f"{job} {algorithms[0]}"]:
        cells = []
        for algorithm in algorithms:
            timings = [run[f"{job} {algorithm}"][name] for run in runs]
            best = statistics.median(timing.minimum for timing in timings)
            usual = statistics.median(timing.median for timing in timings)
            cells.append(f"{best:.1f} / {usual:.1f} · {speedups(runs, f'{job} {algorithm}')[name].text(2, 'x')}")
        lines.append(_row(f"**{name}**" if name == OURS else name, *cells))
    over = {
        algorithm: Spread(
            run[f"{job} {algorithm}"][OURS].minimum / run[f"{job} {algorithm}"][PRIMITIVE].minimum for run in runs
        )
        for algorithm in algorithms
    }
    lines += [
        "",
        f"Time of gatepass relative to the {PRIMITIVE}: "
        + ", ".join(f"{name} {over[name].text(2, 'x')}" for name in over)
        + ".",
    ]
    return lines


def _again(runs: Runs) -> list[str]:
    lines = [
        "Best turn in µs, then the throughput relative to PyJWT.",
        "",
        _row("", *AGAIN),
        _row("---", *("---:" for _ in AGAIN)),
    ]
    for name in runs[0][f"again {AGAIN[0]}"]:
        cells = [
            f"{statistics.median(run[f'again {algorithm}'][name].minimum for run in runs):.1f} · "
            f"{speedups(runs, f'again {algorithm}')[name].text(1, 'x')}"
            for algorithm in AGAIN
        ]
        lines.append(_row(name, *cells))
    return lines


def _fetched(runs: Runs) -> list[str]:
    lines = [
        "Time to verify with a `JWKSClient` relative to a `KeySet`, from the best turns. The last column compares",
        "`KeySet` with itself, and shows the accuracy of the measurement.",
        "",
        _row("", "`JWKSClient` / `KeySet`", "`KeySet` / `KeySet`"),
        _row("---", "---:", "---:"),
    ]
    for algorithm in FETCHED:
        job = f"fetched {algorithm}"
        ratios = [
            Spread(run[job][name].minimum / run[job][AT_HAND].minimum for run in runs).text(3)
            for name in (FETCHED_KEYS, ONCE_MORE)
        ]
        lines.append(_row(algorithm, *ratios))
    return lines


def _requests(runs: Runs) -> list[str]:
    lines = [
        _row(
            "",
            "unprotected, µs",
            "PyJWT by hand adds, µs",
            "gatepass adds, µs",
            "with `cache_ttl=`, µs",
            "gatepass / by hand",
            "with `cache_ttl=` / by hand",
        ),
        _row("---", "---:", "---:", "---:", "---:", "---:", "---:"),
    ]
    for framework in FRAMEWORKS:
        for algorithm in ("HS256", "RS256"):
            job = f"{framework} {algorithm}"
            added = {
                name: [run[job][name].minimum - run[job][BARE].minimum for run in runs]
                for name in (BY_HAND, OURS, CACHED)
            }
            lines.append(
                _row(
                    job,
                    f"{statistics.median(run[job][BARE].minimum for run in runs):.1f}",
                    f"{statistics.median(added[BY_HAND]):.1f}",
                    f"{statistics.median(added[OURS]):.1f}",
                    f"{statistics.median(added[CACHED]):.1f}",
                    *(
                        Spread(ours / hand for ours, hand in zip(added[name], added[BY_HAND], strict=True)).text(2)
                        for name in (OURS, CACHED)
                    ),
                )
            )
    return lines


def _refusals(runs: Runs) -> list[str]:
    return [
        _row("", "median turn, µs"),
        _row("---", "---:"),
        *(_row(name, Spread(run["refuse"][name].median for run in runs).text(1)) for name in runs[0]["refuse"]),
    ]


def _imports(runs: Runs) -> list[str]:
    return [
        _row("", "adds to the start of an interpreter, ms"),
        _row("---", "---:"),
        *(
            _row(
                f"`import {name}`",
                Spread(_import_adds(run, name) for run in runs).text(0),
            )
            for name in runs[0]["import"]
            if name != "nothing"
        ),
    ]


def _import_adds(run: dict[str, dict[str, Timing]], name: str) -> float:
    return (run["import"][name].minimum - run["import"]["nothing"].minimum) / 1000


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
