"""Parts of pages that are made from the code, between two comments. `GATEPASS_WRITE_TABLES=1` renews them."""

import os

WRITES = bool(os.environ.get("GATEPASS_WRITE_TABLES"))


def table(heads, rows):
    """Return a Markdown table with an empty line around it."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in lines) + "\n"


def assert_generated(page, name, test, text):
    """Assert that the part *name* of *page* is *text*, which the file *test* makes; or write it."""
    begin, end = f"<!-- {name}: made by {test} -->\n", f"<!-- end of {name} -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    written, ended, after = rest.partition(end)

    assert found
    assert ended
    if WRITES:
        page.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")
    else:
        assert written == text, f"renew it as the first lines of {test} say"
