"""The comparison as a picture: four small panels in one SVG that reads on a light and on a dark page alike."""

from collections.abc import Sequence
from html import escape

import msgspec

WIDTH, HEIGHT = 900, 640
_PANEL_W, _PANEL_H = 345, 210
_COLUMNS, _ROWS = (70, 520), (70, 365)
_STYLE = """
text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.line{fill:none!important;stroke-width:2}
.axis,.tick{stroke:#8c959f;fill:none}.tick{stroke-opacity:.3}.even{stroke:#8c959f;stroke-dasharray:2 3}
.s0{stroke:#0550ae;fill:#0550ae}.s1{stroke:#bc4c00;fill:#bc4c00}.s2{stroke:#6e7781;fill:#6e7781;stroke-dasharray:5 4}
circle{stroke-dasharray:none!important}.ground{fill:#fff}
@media(prefers-color-scheme:dark){
text{fill:#e6edf3}.ground{fill:#0d1117}
.s0{stroke:#79c0ff;fill:#79c0ff}.s1{stroke:#ffa657;fill:#ffa657}.s2{stroke:#9ea7b3;fill:#9ea7b3}
}
"""

Point = tuple[float, float, float]
"""(value, lower end, upper end of its interval)."""


class Panel(msgspec.Struct, frozen=True):
    """Bands on the x axis, and for each series a point a band (None where it is unknown). `top` ends the y axis."""

    title: str
    bands: tuple[str, ...]
    series: tuple[tuple[Point | None, ...], ...]
    top: float
    bottom: float = 0.0
    digits: int = 2
    even: tuple[float, ...] = ()
    """What each band would be if prices were right."""


def picture(panels: Sequence[Panel], names: Sequence[str]) -> str:
    """Panels in reading order, at most four; one name a series, told once above them."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape('The simulated market beside the recordings')}</title><style>{_STYLE.strip()}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>',
    ]
    for number, name in enumerate(names):
        x = 70 + number * 270
        parts.append(f'<path class="line s{number}" d="M{x} 22h26"/><text x="{x + 33}" y="26">{escape(name)}</text>')
    for number, panel in enumerate(panels):
        parts.append(f'<g transform="translate({_COLUMNS[number % 2]},{_ROWS[number // 2]})">{_panel(panel)}</g>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel) -> str:
    parts = [f'<text class="title" x="-40" y="-16">{escape(panel.title)}</text>']
    for step in range(5):
        value = panel.bottom + (panel.top - panel.bottom) * step / 4
        y = _y(panel, value)
        parts.append(f'<path class="tick" d="M0 {y:.1f}H{_PANEL_W}"/>')
        parts.append(f'<text x="-7" y="{y + 4:.1f}" text-anchor="end">{value:.{panel.digits}f}</text>')
    for number, band in enumerate(panel.bands):
        x = _x(panel, number)
        parts.append(f'<text x="{x:.1f}" y="{_PANEL_H + 19}" text-anchor="middle">{escape(band)}</text>')
    parts.append(f'<path class="axis" d="M0 0V{_PANEL_H}H{_PANEL_W}"/>')
    parts += [
        f'<path class="even" d="M{_x(panel, number) - 20:.1f} {_y(panel, value):.1f}h40"/>'
        for number, value in enumerate(panel.even)
    ]
    parts += [_series(panel, number) for number in range(len(panel.series))]
    return "".join(parts)


def _series(panel: Panel, number: int) -> str:
    shift = (number - (len(panel.series) - 1) / 2) * 7
    found = [(_x(panel, band) + shift, point) for band, point in enumerate(panel.series[number]) if point is not None]
    parts = []
    if not panel.even and found:
        line = " ".join(f"{x:.1f},{_y(panel, point[0]):.1f}" for x, point in found)
        parts.append(f'<polyline class="line s{number}" points="{line}"/>')
    for x, (value, low, high) in found:
        parts.append(f'<path class="s{number}" d="M{x:.1f} {_y(panel, low):.1f}V{_y(panel, high):.1f}"/>')
        parts.append(f'<circle class="s{number}" cx="{x:.1f}" cy="{_y(panel, value):.1f}" r="3.5"/>')
    return "".join(parts)


def _x(panel: Panel, band: int) -> float:
    return _PANEL_W * (band + 0.5) / len(panel.bands)


def _y(panel: Panel, value: float) -> float:
    share = (min(max(value, panel.bottom), panel.top) - panel.bottom) / (panel.top - panel.bottom)
    return _PANEL_H * (1 - share)
