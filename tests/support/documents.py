"""Parse README and the pages of docs/ into programs and shell sessions. The tests run the code that readers copy.

How a fenced block is read:

* `python` is a separate program; `pycon` continues the program above it and contains its expected output.
* `console` is entered line by line into the one shell of the page and contains the expected output.
* Other languages (`sh`, `text`, `http`, ...) are not run.

A comment on the line before a block changes that: `<!-- continues -->` (continues the program above),
`<!-- file: NAME -->` (the block is that file, beside the programs of the page), `<!-- second terminal -->` (a server
that keeps running), `<!-- answer: NAME -->`, and `<!-- not run: WHY -->`. In expected output, `...` matches any text.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
_AT_THE_TOP = ("README.md", "SECURITY.md", "CONTRIBUTING.md", "examples/README.md")
PAGES = [*(REPOSITORY / name for name in _AT_THE_TOP), *sorted((REPOSITORY / "docs").glob("*.md"))]

_BLOCK = re.compile(
    r"^(?:<!--[ ]*(?P<comment>[^\n]*?)[ ]*-->\n)?(?P<indent>[ ]*)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    text: str
    directive: str = ""
    argument: str = ""

    @property
    def place(self):
        return f"{self.page}:{self.line}"


@dataclass
class Program:
    blocks: list = field(default_factory=list)

    @property
    def place(self):
        return self.blocks[0].place

    @property
    def text(self):
        return "\n".join(block.text for block in self.blocks)


def name_of(page):
    return page.relative_to(REPOSITORY).as_posix()


def prose_of(page):
    """Yield the lines of a page outside blocks, tables, pictures and comments, with their numbers."""
    fenced = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.lstrip().startswith(("|", "![", "<!--")):
            yield number, line


def blocks_of(page):
    source = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(source):
        directive, _, argument = (match["comment"] or "").partition(":")
        line = source.count("\n", 0, match.start("text")) + 1
        text = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        found.append(Block(name_of(page), line, match["language"], text, directive.strip(), argument.strip()))
    return found


def files_of(page):
    """Return the files that a page tells its reader to create."""
    return {block.argument: block.text for block in blocks_of(page) if block.directive == "file"}


def programs_of(page):
    programs = []
    for block in blocks_of(page):
        if block.directive in ("file", "not run"):
            continue
        if block.language == "python" and block.directive != "continues":
            programs.append(Program())
        if block.language in ("python", "pycon"):
            programs[-1].blocks.append(block)
    return programs


def session_of(page):
    """Return the shell session of a page: pairs of a block and its steps, each a command and its expected output."""
    return [
        (block, _steps(block.text))
        for block in blocks_of(page)
        if block.language == "console" and block.directive != "not run"
    ]


def _steps(text):
    steps = []
    for line in text.splitlines():
        if line.startswith("$ "):
            steps.append([line[2:], ""])
        elif line.startswith("> ") and steps and not steps[-1][1]:
            steps[-1][0] += "\n" + line[2:]
        else:
            steps[-1][1] += line + "\n"
    return [tuple(step) for step in steps]
