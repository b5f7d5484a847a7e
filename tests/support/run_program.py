"""Run the blocks of one program of a document in order in one module; fail if one raises or its output differs.

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
    # Empty lines first, so that a traceback has the line numbers of the page.
    if block["language"] == "python":
        exec(compile("\n" * (block["line"] - 1) + block["text"], block["page"], "exec"), names)  # noqa: S102
        continue
    examples = doctest.DocTestParser().get_doctest(
        block["text"], names, block["page"], block["page"], block["line"] - 1
    )
    if not examples.examples:
        sys.exit(f"{block['page']}:{block['line']} shows nothing")
    examples.globs = names  # not the copy of the parser: functions must see names that are set later
    if doctest.DocTestRunner(optionflags=FLAGS).run(examples, clear_globs=False).failed:
        sys.exit(1)
