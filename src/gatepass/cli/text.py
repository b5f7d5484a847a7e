"""Show untrusted text on an operator's terminal: none of it may move the cursor, change a colour or be invisible."""

from __future__ import annotations

import json
import re
from typing import Any, Final
from unicodedata import category

from gatepass.common.limits import DAY, LAST_SECOND, moment_of

__all__ = ["age", "as_json", "moment", "visible"]

_MAX_MARKS: Final = 4
# Printable by their category, but invisible: Default_Ignorable_Code_Point of Unicode, and letters and symbols that are
# drawn as a blank (Braille, hieroglyphs, a note without a head, the filler of Khitan).
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)
_UNITS = ((DAY, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def visible(text: str) -> str:
    r"""Escape every invisible character of *text*: control characters, marks that reorder, blanks of any kind.

    A few combining marks may follow a letter or a digit. Elsewhere they are escaped: they would change adjacent text.

    >>> print(visible("\x1b[31mred"))
    \u001b[31mred
    """
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    room = 0
    for character in text:
        is_mark = category(character).startswith("M")
        if not character.isprintable() or _BLANK.match(character) or (is_mark and not room):
            shown.append(_escape(character))
            room = 0
        else:
            shown.append(character)
            room = room - 1 if is_mark else _MAX_MARKS * character.isalnum()
    return "".join(shown)


def as_json(value: Any) -> str:
    """Return *value* as one line of JSON that is safe to show."""
    return visible(json.dumps(value, ensure_ascii=False))


def moment(value: object, now: float) -> str | None:
    """Return the NumericDate *value* as a readable date and age; None for any other value.

    >>> moment(1_800_000_000, 1_800_000_060.0)
    '2027-01-15 08:00:00 UTC, 1 minute ago'
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LAST_SECOND:
        return None
    return f"{moment_of(value):%Y-%m-%d %H:%M:%S} UTC, {age(value - now)}"


def age(seconds: float) -> str:
    """Return the distance from now, rounded to its largest unit.

    >>> age(899.5), age(7_300), age(-59)
    ('in 15 minutes', 'in 2 hours', '59 seconds ago')
    """
    size = round(abs(seconds))
    for length, unit in _UNITS:
        if size + length // 120 >= length:  # 59.5 minutes are an hour
            count = (size + length // 2) // length
            span = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"in {span}" if seconds > 0 else f"{span} ago"
    return "now"


def _escape(character: str) -> str:
    point = ord(character)
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
