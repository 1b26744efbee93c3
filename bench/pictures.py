"""Pictures: bars of figures as SVG, readable on a light and on a dark page."""

from collections.abc import Sequence
from html import escape

#: Readable on white and on black.
_COLOURS = ("#3b82c4", "#e08a2e")
_WIDTH, _LABEL, _LINE, _TOP = 920, 390, 26, 64

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }
"""


def bars(title: str, parts: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Draw one bar a row, made of parts that add up."""
    longest = max(sum(values) for _, values in rows)
    scale = (_WIDTH - _LABEL - 80) / longest
    drawn = [f'<text class="title" x="0" y="18">{escape(title)}</text>']
    for number, part in enumerate(parts):
        left = _LABEL + 130 * number
        drawn.append(f'<rect x="{left}" y="32" width="12" height="12" fill="{_COLOURS[number]}"/>')
        drawn.append(f'<text x="{left + 18}" y="43">{escape(part)}</text>')
    for line, (label, values) in enumerate(rows):
        y, x = _TOP + line * _LINE, float(_LABEL)
        drawn.append(f'<text x="{_LABEL - 10}" y="{y + 13}" text-anchor="end">{escape(label)}</text>')
        for number, value in enumerate(values):
            width = value * scale
            drawn.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="17" fill="{_COLOURS[number]}"/>')
            x += width
        drawn.append(f'<text x="{x + 6:.1f}" y="{y + 13}">{sum(values):.1f}</text>')
    height = _TOP + len(rows) * _LINE + 6
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
    return "\n".join([head, f"<title>{escape(title)}</title>", f"<style>{_STYLE}</style>", *drawn, "</svg>", ""])
