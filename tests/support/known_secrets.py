"""The samples whose digests `known_secrets.txt` contains, and how that file is made of them.

`python -m tests.support.known_secrets` prints it.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

HEADER = """\
# SHA-256 digests of published secrets, each with its source. Made by tests/support/known_secrets.py, which has the
# texts. A text that can be decoded as hex or base64 has a second line, for the decoded octets.
"""
SAMPLES = {
    "the debugger of jwt.io, HS256, until 2025": ["your-256-bit-secret"],
    "the debugger of jwt.io, HS384, until 2025": ["your-384-bit-secret"],
    "the debugger of jwt.io, HS512, until 2025": ["your-512-bit-secret"],
    "the debugger of jwt.io, HS256": ["a-string-secret-at-least-256-bits-long"],
    "the debugger of jwt.io, HS384": ["a-valid-string-secret-that-is-at-least-384-bits-long"],
    "the debugger of jwt.io, HS512": ["a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long"],
    "RFC 7515 appendix A.1, RFC 7517 appendix A.3, RFC 7797 section 4": [
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    ],
    "RFC 7516 appendix A.3, RFC 7517 appendix A.3": ["GawgguFyGrWKav7AX4VKUg"],
    "RFC 7517 appendix C": ["Thus from my lips, by yours, my sin is purged."],
    "RFC 7520 sections 3.5 and 4.4": ["hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"],
    "RFC 7520 section 5.3": ["entrap_o\N{EN DASH}peter_long\N{EN DASH}credit_tun"],
    "RFC 7520 section 5.6": ["XctOhJAkA-pD9Lh7ZgW_2A"],
    "RFC 7520 section 5.7": ["qC57l_uxcm7Nm3K-ct4GFjx8tM1U8CZ0NLBvdQstiS8"],
    "RFC 7520 section 5.8": ["GZy6sIZ6wl9NJOKB-jnmVQ"],
    "RFC 9421 appendix B.1.5": [
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==",
    ],
    "the tutorial of FastAPI": ["09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"],
    "the tutorial of Flask": ["192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf"],
    "the documentation of Hasura": ["3EK6FD+o0+c7tzBNVfjpMkNDi2yARAAKzQlk8O2IKoxQu4nF7EdAh8s3TwpHwrdWT6R"],
    "tutorials of Spring Boot": [
        "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
        "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970337336763979244226452948404D6351",
        "413F4428472B4B6250655368566D5970337336763979244226452948404D6351",
        "5367566B59703373367639792F423F4528482B4D6251655468576D5A71347437",
        "357638792F423F4428472B4B6250655368566D597133743677397A2443264629",
        "3cfa76ef14937c1c0ea519f8fc057a80fcd04a7420f8e8bcd0a7567c272e007b",
        "======================BezKoder=Spring===========================",
        "daf66e01593f61a15b857cf433aae03a005812b31234e149036bcc8dee755dbb",
    ],
    "the samples of JJWT": ["Yn2kjibddFAWtnPJ2AFlL8WXmohJMCvigQggaEypa5E="],
    "RFC 8037 appendix A.1": ["nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"],
    "RFC 4122 section 3": [
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6",
        "f81d4fae7dec11d0a76500a0c91e6bf6",
    ],
    "manuals of UUIDs": [
        "123e4567-e89b-12d3-a456-426614174000",
        "123E4567-E89B-12D3-A456-426614174000",
        "123e4567e89b12d3a456426614174000",
    ],
    "tutorials of Spring Boot, in Portuguese": ["bWluaGEgY2hhdmUgc2VjcmV0YSBxdWUgZXUgZ29zdG8gbXVpdG8="],
    "tutorials of ASP.NET Core": [
        "DhftOS5uphK3vmCJQrexST1RsyjZBjXWRgJMFPU4",
        "ByYM000OLlMQG6VVVp1OH7Xzyr7gHuw1qvUC5dcGt3SNM",
        "THIS IS USED TO SIGN AND VERIFY JWT TOKENS, REPLACE IT WITH YOUR OWN SECRET, IT CAN BE ANY STRING",
    ],
}


def readings(text: str) -> Iterator[bytes]:
    """Yield the octets that programs may read from *text*: its characters, and what they encode."""
    yield text.encode()
    if re.fullmatch("(?:[0-9A-Fa-f]{2})+", text):
        yield binascii.unhexlify(text)
    if re.fullmatch("[A-Za-z0-9+/_-]+={0,2}", text) and len(text.rstrip("=")) % 4 != 1:
        yield base64.urlsafe_b64decode(text.rstrip("=").replace("+", "-").replace("/", "_") + "==")


def known_secrets() -> str:
    lines = [
        f"{hashlib.sha256(octets).hexdigest()}  {place}\n"
        for place, texts in SAMPLES.items()
        for text in texts
        for octets in readings(text)
    ]
    return HEADER + "".join(lines)


if __name__ == "__main__":
    print(known_secrets(), end="")
