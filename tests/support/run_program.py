"""Runs the blocks of one document's program, in order and in one module, and fails where one fails or shows otherwise.

python run_program.py blocks.json
"""

import doctest
import json
import sys
import types
from pathlib import Path

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

blocks = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
program = types.ModuleType("program")
sys.modules["program"] = program
sys.path.insert(0, "")
names = vars(program)

for block in blocks:
    # As many empty lines first as make the numbers of a traceback those of the page.
    if block["language"] == "python":
        exec(compile("\n" * (block["line"] - 1) + block["text"], block["page"], "exec"), names)  # noqa: S102
        continue
    examples = doctest.DocTestParser().get_doctest(
        block["text"], names, block["page"], block["page"], block["line"] - 1
    )
    if not examples.examples:
        sys.exit(f"{block['page']}:{block['line']} shows nothing")
    examples.globs = names  # and not the copy that the parser made: functions above see what is set below
    if doctest.DocTestRunner(optionflags=FLAGS).run(examples, clear_globs=False).failed:
        sys.exit(1)
