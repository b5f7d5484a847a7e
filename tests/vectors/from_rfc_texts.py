"""Extract the keys and the signed examples from the RFC texts into rfc.json.

    python from_rfc_texts.py DIRECTORY > rfc.json

*DIRECTORY* holds rfc7515.txt, rfc7520.txt, rfc7638.txt and rfc8037.txt as the RFC Editor publishes them
(Debian ships the same texts in its doc-rfc packages). Only values are taken: keys, serializations, hashes.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

_PAGE_BREAK = re.compile(r"\n+[^\n]*\[Page \d+\]\n\f?\n?RFC \d+ [^\n]*\n+")
_ENCODED_LINE = re.compile(r"[A-Za-z0-9_.-]+")


class Text:
    """One RFC without its page breaks."""

    def __init__(self, path: Path) -> None:
        self._text = _PAGE_BREAK.sub("\n\n", path.read_text(encoding="utf-8"))

    def between(self, start: str, end: str) -> str:
        """Return the text between the last headings *start* and *end*. The first ones are in the table of contents."""
        begin = self._text.rindex(f"\n{start}")
        return self._text[begin : self._text.index(f"\n{end}", begin)]


def objects(section: str) -> list[dict[str, Any]]:
    """Return the JSON objects of a section. The texts break long values, and no value taken contains a space."""
    dense, decoder, found, position = re.sub(r"\s", "", section), json.JSONDecoder(), [], 0
    while (position := dense.find("{", position)) >= 0:
        try:
            value, position = decoder.raw_decode(dense, position)
            found.append(value)
        except ValueError:
            position += 1
    return found


def keys(section: str) -> list[dict[str, Any]]:
    return [value for value in objects(section) if "kty" in value]


def compact(section: str, *, segments: int = 3) -> str:
    """Return the last compact serialization of a section."""
    runs, run = [], ""
    for line in section.splitlines():
        if _ENCODED_LINE.fullmatch(line.strip()):
            run += line.strip()
        elif line.strip():
            runs, run = [*runs, run], ""
    return [run for run in [*runs, run] if run.count(".") == segments - 1 and len(run) > 20][-1]


def general(section: str) -> dict[str, Any]:
    """Return the general JSON serialization of a section."""
    return next(value for value in objects(section) if "signatures" in value)


def main(directory: Path) -> dict[str, Any]:
    jws, cookbook = Text(directory / "rfc7515.txt"), Text(directory / "rfc7520.txt")
    thumbprint, okp = Text(directory / "rfc7638.txt"), Text(directory / "rfc8037.txt")

    appendix = {n: jws.between(f"A.{n}.  ", f"A.{n + 1}.  ") for n in range(1, 7)}
    appendix[7] = jws.between("A.7.  ", "Appendix B.")
    example = {n: cookbook.between(f"4.{n}.  ", f"4.{n + 1}.  ") for n in range(1, 8)}
    example[8] = cookbook.between("4.8.  ", "5.  ")
    ec, rsa, mac = (
        keys(cookbook.between(start, end))[0]
        for start, end in (("3.2.  ", "3.3.  "), ("3.4.  ", "3.5.  "), ("3.5.  ", "3.6.  "))
    )
    nested = cookbook.between("6.1.  ", "6.4.  ")
    edwards = okp.between("A.1.  ", "A.2.  ")

    def signed(name: str, algorithm: str, key: dict[str, Any], token: str) -> dict[str, Any]:
        return {"name": name, "algorithm": algorithm, "key": key, "compact": token}

    return {
        "source": "RFC 7515 appendices A and E, RFC 7520 sections 3, 4 and 6, RFC 7638 section 3.1, RFC 8037 appendix A",
        "signed": [
            signed("RFC 7515 A.1", "HS256", keys(appendix[1])[0], compact(appendix[1])),
            signed("RFC 7515 A.2", "RS256", keys(appendix[2])[0], compact(appendix[2])),
            signed("RFC 7515 A.3", "ES256", keys(appendix[3])[0], compact(appendix[3])),
            signed("RFC 7515 A.4", "ES512", keys(appendix[4])[0], compact(appendix[4])),
            signed("RFC 7520 4.1", "RS256", rsa, compact(example[1])),
            signed("RFC 7520 4.2", "PS384", rsa, compact(example[2])),
            signed("RFC 7520 4.3", "ES512", ec, compact(example[3])),
            signed("RFC 7520 4.4", "HS256", mac, compact(example[4])),
            signed("RFC 7520 6.3", "PS256", keys(nested)[0], compact(nested)),
            signed("RFC 8037 A.4", "EdDSA", keys(edwards)[0], compact(okp.between("A.4.  ", "A.5.  "))),
        ],
        "json_serialized": [
            {"name": "RFC 7515 A.6", "document": general(appendix[6])},
            {"name": "RFC 7515 A.7", "document": objects(appendix[7])[-1]},
            *({"name": f"RFC 7520 4.{n}", "document": general(example[n])} for n in range(1, 9) if n != 5),
        ],
        "signatures": [
            {"name": f"RFC 7520 4.8 {algorithm}", "algorithm": algorithm, "key": key}
            | {
                "protected": part.get("protected", ""),
                "payload": general(example[8])["payload"],
                "signature": part["signature"],
            }
            for algorithm, key, part in zip(
                ("RS256", "ES512", "HS256"), (rsa, ec, mac), general(example[8])["signatures"], strict=True
            )
        ],
        "refused": [
            {"name": "RFC 7515 A.5 (unsecured)", "compact": compact(appendix[5])},
            {"name": "RFC 7515 E (critical extension)", "compact": compact(jws.between("Appendix E.", "Appendix F."))},
            {"name": "RFC 7520 4.5 (detached)", "compact": compact(example[5]), "key": mac},
            {"name": "RFC 7520 6.8 (encrypted)", "compact": compact(cookbook.between("6.8.  ", "7.  "), segments=5)},
        ],
        "thumbprints": [
            {"name": "RFC 7638 3.1", "key": keys(thumbprint.between("3.1.  ", "3.2.  "))[0]}
            | {"thumbprint": re.findall(r"\n +([A-Za-z0-9_-]{43})\n", thumbprint.between("3.1.  ", "3.2.  "))[-1]},
            {"name": "RFC 8037 A.3", "key": keys(edwards)[0]}
            | {"thumbprint": re.findall(r'"([A-Za-z0-9_-]{43})"', okp.between("A.3.  ", "A.4.  "))[-1]},
        ],
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1])), indent=1))
