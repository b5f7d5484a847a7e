"""SVG drawings of docs/architecture.md: the rooms in layers, and the steps of a flow. Both have a light and a dark side."""

import textwrap
from html import escape

from tests.support.rooms import ADAPTERS, CORE, adapter_purpose, layers, purpose, third_party

_WIDTH, _GAP, _LEFT = 874, 12, 24
_CHARACTER = 6.4
"""Width of a small character."""
_STYLE = """
    .card { fill: #ffffff; }
    .box { fill: #f3f5f8; stroke: #57606a; }
    .core { fill: #eaf3ff; stroke: #2f6fbf; }
    .good { fill: #e9f7ec; stroke: #2f8a45; }
    .bad { fill: #fdeeee; stroke: #b9403c; }
    text { fill: #1f2328; }
    .small { font-size: 12px; fill: #57606a; }
    .strong { font-weight: 600; }
    .line { stroke: #57606a; fill: none; stroke-width: 1.5; }
    .no { stroke: #b9403c; fill: none; stroke-width: 1.2; stroke-dasharray: 4 3; }
    .head { fill: #57606a; }
    .nohead { fill: #b9403c; }
    @media (prefers-color-scheme: dark) {
      .card { fill: #0d1117; }
      .box { fill: #1b212a; stroke: #8b949e; }
      .core { fill: #11243d; stroke: #5a9bea; }
      .good { fill: #12281a; stroke: #4fb36a; }
      .bad { fill: #2f1717; stroke: #e5746f; }
      text { fill: #e6edf3; }
      .small { fill: #9aa4af; }
      .line { stroke: #9aa4af; }
      .no { stroke: #e5746f; }
      .head { fill: #9aa4af; }
      .nohead { fill: #e5746f; }
    }
"""
_FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
_MARKERS = "".join(
    f'    <marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
    f'<path class="{style}" d="M0 0 10 5 0 10z"/></marker>\n'
    for name, style in (("end", "head"), ("noend", "nohead"))
)


def rooms_drawing():
    """The adapters on top, then each layer of rooms above the layers that it may import."""
    packages = third_party()
    rows = [[(name, adapter_purpose(name), packages.get(name, [])) for name in ADAPTERS]]
    rows += [[(room, purpose(room), packages.get(room, [])) for room in layer] for layer in layers()]
    legend = (
        "A room imports only from rooms below it. Green: adapters. Blue: the core, which verifies tokens. "
        "Grey: batteries."
    )
    parts, y = [_text(_LEFT, 32, legend, "small")], 52.0
    for row in rows:
        drawn, height = _row(row, y)
        parts.append(drawn)
        y += height + _GAP
    words = "; ".join(", ".join(name for name, _, _ in row) for row in rows)
    return _svg("The rooms of gatepass", f"From the top down: {words}.", y + _GAP, parts)


def flow_drawing(title, steps):
    """The *steps* from the top down, each refusal on the right."""
    parts, y, left, width = [], 24.0, _LEFT, 600
    for number, step in enumerate(steps, 1):
        box, height = _box("core", f"{number}  {step.title}", [step.what, step.where], at=(left, y), width=width)
        parts.append(box)
        if step.refused_with:
            middle = y + height / 2
            parts.append(f'  <rect class="bad" x="700" y="{middle - 17:g}" width="150" height="34" rx="6"/>\n')
            parts.append(_text(775, middle + 5, step.refused_with, "small", anchor="middle"))
            parts.append(f'  <path class="no" d="M{left + width} {middle:g}H698" marker-end="url(#noend)"/>\n')
        y += height
        if number < len(steps):
            parts.append(f'  <path class="line" d="M{left + width / 2:g} {y:g}v18" marker-end="url(#end)"/>\n')
            y += 20
    words = " ".join(f"{number}. {step.title}: {step.what}" for number, step in enumerate(steps, 1))
    return _svg(title, words, y + 24, parts)


def _svg(title, description, height, parts):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" role="img" '
        f'aria-labelledby="title desc" font-family="{_FONT}" font-size="14">\n'
        f'  <title id="title">{escape(title)}</title>\n  <desc id="desc">{escape(description)}</desc>\n'
        f"  <style>{_STYLE}  </style>\n  <defs>\n{_MARKERS}  </defs>\n"
        f'  <rect class="card" width="{_WIDTH}" height="{height:g}" rx="10"/>\n{"".join(parts)}</svg>\n'
    )


def _text(x, y, words, style, anchor="start"):
    return f'  <text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{style}">{escape(words)}</text>\n'


def _box(kind, name, captions, *, at, width, height=0.0):
    """A box and its height, which is at least *height*."""
    x, y = at
    lines = [
        line for caption in captions for line in textwrap.wrap(caption.replace("`", ""), int((width - 24) / _CHARACTER))
    ]
    height = max(height, 36 + 16 * len(lines))
    parts = [
        f'  <rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>\n',
        _text(x + 12, y + 22, name, "strong"),
        *(_text(x + 12, y + 40 + 16 * number, line, "small") for number, line in enumerate(lines)),
    ]
    return "".join(parts), height


def _row(cells, y):
    """The boxes of one layer, all as high as the highest, and that height."""
    width = (_WIDTH - 2 * _LEFT - _GAP * (len(cells) - 1)) / len(cells)

    def draw(height):
        for number, (name, caption, packages) in enumerate(cells):
            kind = "good" if name in ADAPTERS else "core" if name in CORE else "box"
            captions = [caption, *([f"with {', '.join(packages)}"] if packages else [])]
            yield _box(kind, name, captions, at=(_LEFT + number * (width + _GAP), y), width=width, height=height)

    height = max(needed for _, needed in draw(0.0))
    return "".join(text for text, _ in draw(height)), height
