"""The map of the course: a station a chapter, an arrow for what it needs. Drawn from the chapters' headers alone.

The main line, what the last chapters of its two halves need, is solid and its stations are filled; side roads are
dashed, their stations hollow: to be told apart in grey, too. It is as narrow as a phone, and one is for dark pages.
"""

import json
from collections.abc import Sequence
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, PathPatch
from matplotlib.path import Path as Line
from matplotlib.textpath import TextPath
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .source import Chapter

GOALS = "14", "25"  # looking inside a trained ViT; a fused attention kernel
PARTS = {
    "A": "Pixels to tokens",
    "B": "The block, both directions",
    "C": "Training, and looking inside",
    "D": "The family",
    "E": "CUDA, with or without a GPU",
}
FIRST = {"00": "A", "05": "B", "12": "C", "16": "D", "22b": "E", "30": "D"}  # from this number on
WIDTH, ROW, HEAD, LEGEND, RADIUS = 360, 31, 38, 46, 10.5  # units of a page that is as wide as a phone's
LANE, NEAREST, EDGE, CORNER = 8, 18, 26, 7
SCALE = 2  # pixels to a unit
LEGEND_SAYS = {True: "the main line", False: "a side road"}
LIGHT = {"paper": "#ffffff", "ink": "#1f2328", "faint": "#59636e", "side": "#818b98", "on": "#ffffff",
         "A": "#0550ae", "B": "#8a4600", "C": "#116329", "D": "#6e40c9", "E": "#a40e26"}  # fmt: skip
DARK = {"paper": "#0d1117", "ink": "#f0f6fc", "faint": "#9198a1", "side": "#7d8590", "on": "#0d1117",
        "A": "#79c0ff", "B": "#ffa657", "C": "#7ee787", "D": "#d2a8ff", "E": "#ff9492"}  # fmt: skip


def by_part(chapters: Sequence[Chapter]) -> dict[str, list[Chapter]]:
    """The chapters of each part, "A" to "E"; what comes after CUDA by its number may belong to an earlier part."""
    found: dict[str, list[Chapter]] = {part: [] for part in PARTS}
    for chapter in chapters:
        found[FIRST[max(first for first in FIRST if first <= chapter.number)]].append(chapter)
    return {part: there for part, there in found.items() if there}


def needed(chapters: Sequence[Chapter]) -> dict[str, set[str]]:
    """Of each chapter's number, those of all that it needs, directly or by what it needs."""
    found: dict[str, set[str]] = {}
    for chapter in sorted(chapters, key=lambda chapter: chapter.name):
        found[chapter.number] = set(chapter.needs).union(*(found.get(number, set()) for number in chapter.needs))
    return found


def main_line(chapters: Sequence[Chapter]) -> set[str]:
    """The numbers of the two goals and of all that they need."""
    return set().union(*({goal} | of for goal, of in needed(chapters).items() if goal in GOALS))


def arrows(chapters: Sequence[Chapter]) -> list[tuple[str, str]]:
    """(05, 06) where 06 needs 05, and needs nothing else that needs 05: then the way there says it already."""
    of = needed(chapters)
    return [
        (number, chapter.number)
        for chapter in chapters
        for number in chapter.needs
        if not any(number in of.get(other, ()) for other in chapter.needs)
    ]


def told(chapters: Sequence[Chapter]) -> str:
    """What the map shows, as it is kept in its files, and compared."""
    parts = {part: [f"{c.number} {c.title}" for c in there] for part, there in by_part(chapters).items()}
    drawn = [" ".join(arrow) for arrow in arrows(chapters)]
    return json.dumps({"parts": parts, "main": sorted(main_line(chapters)), "arrows": drawn}, ensure_ascii=False)


def in_words(chapters: Sequence[Chapter]) -> str:
    """The alternative text."""
    main = main_line(chapters)
    side = [chapter.number for chapter in chapters if chapter.number not in main]
    ways = "; ".join(
        f"to {chapter.number} from {' and '.join(a for a, b in arrows(chapters) if b == chapter.number)}"
        for chapter in chapters
        if any(b == chapter.number for _, b in arrows(chapters))
    )
    return (
        f"A map of the chapters, one under the other in parts A to {list(PARTS)[-1]}, joined by arrows. On the main "
        f"line: {', '.join(sorted(main))}. Side roads: {', '.join(side)}. Arrows lead {ways}."
    )


def lanes(ways: Sequence[tuple[str, list[int]]]) -> dict[str, int]:
    """To each source of arrows, given with the rows that these touch, a lane left of the stations: 1 is the nearest,
    and has the short ones."""
    taken: list[list[tuple[int, int]]] = []
    found = {}
    for source, rows in sorted(ways, key=lambda way: (max(way[1]) - min(way[1]), way[0])):
        span = min(rows), max(rows)
        free = (i for i, others in enumerate(taken) if all(span[1] <= a or b <= span[0] for a, b in others))
        lane = next(free, len(taken))
        taken += [[]] * (lane == len(taken))
        taken[lane] = [*taken[lane], span]
        found[source] = lane + 1
    return found


def drawing(chapters: Sequence[Chapter], dark: bool) -> Figure:
    """The map as a figure."""
    colours, main, parts = DARK if dark else LIGHT, main_line(chapters), by_part(chapters)
    heads, places, y = {}, {}, 0.0
    for part, there in parts.items():
        heads[part] = y + HEAD / 2 + 2
        places |= {chapter.number: y + HEAD + ROW * (row + 0.5) for row, chapter in enumerate(there)}
        y += HEAD + ROW * len(there)
    ways = _ways(list(places), arrows(chapters))
    x = EDGE + LANE * max(ways.values())
    figure = Figure((WIDTH / 72, (y + LEGEND) / 72), facecolor=colours["paper"])
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(y + LEGEND, 0))
    axes.axis("off")
    part_of = {chapter.number: part for part, there in parts.items() for chapter in there}
    for source in sorted(places, key=lambda number: number in main):  # the main line lies on top
        mine = [(_way(x, places[a], places[b], lane), {a, b} <= main) for (a, b), lane in ways.items() if a == source]
        for points, required in mine:  # what they cross is cut, what comes from the same station is not
            _draw(axes, points, colours["paper"], required, casing=True)
        for points, required in sorted(mine, key=lambda way: way[1]):
            _draw(axes, points, colours[part_of[source] if required else "side"], required)
    for part, there in parts.items():
        how = {"color": colours[part], "fontsize": 12, "fontweight": "bold", "va": "center"}
        axes.text(x + 20, heads[part], f"{part}  {PARTS[part]}", **how)
        for chapter in there:
            _station(axes, x, places[chapter.number], chapter, part, colours, chapter.number in main)
    for at, (required, meaning) in zip((y + 14, y + 32), LEGEND_SAYS.items(), strict=True):
        _draw(axes, [(14, at), (x - RADIUS, at)], colours["faint" if required else "side"], required)
        face = colours["faint" if required else "paper"]
        axes.add_patch(Circle((x, at), 6, facecolor=face, edgecolor=colours["faint"]))
        axes.text(x + 20, at, meaning, color=colours["faint"], fontsize=10, va="center")
    return figure


def _ways(rows: list[str], drawn: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """To each arrow its lane, 0 where it leads straight to the next row."""
    far: dict[str, list[int]] = {}
    for a, b in drawn:
        if rows.index(b) != rows.index(a) + 1:
            far.setdefault(a, [rows.index(a)]).append(rows.index(b))
    lane = lanes(list(far.items()))
    return {(a, b): lane[a] if rows.index(b) != rows.index(a) + 1 else 0 for a, b in drawn}


def _way(x: float, above: float, below: float, lane: int) -> list[tuple[float, float]]:
    """From a station to another below it, straight or by a lane."""
    if not lane:
        return [(x, above + RADIUS), (x, below - RADIUS)]
    left = x - NEAREST - LANE * (lane - 1)
    return [(x - RADIUS, above + 4), (left, above + 4), (left, below - 4), (x - RADIUS, below - 4)]


def _draw(axes: Axes, points: list, colour: str, required: bool, casing: bool = False) -> None:
    wide, dashes = (2.4, "solid") if required else (1.3, (0, (2.6, 1.6)))
    if casing:
        axes.add_patch(PathPatch(_rounded(points), fill=False, edgecolor=colour, linewidth=wide + 2.6))
        return
    axes.add_patch(PathPatch(_rounded(points), fill=False, edgecolor=colour, linewidth=wide, linestyle=dashes))
    tip = FancyArrowPatch(
        points[-2], points[-1], arrowstyle="-|>,head_length=.5,head_width=.3", mutation_scale=11, color=colour,
        linewidth=0, shrinkA=0, shrinkB=0,
    )  # fmt: skip
    axes.add_patch(tip)


def _rounded(points: list[tuple[float, float]]) -> Line:
    """Through the points, with round corners."""
    found, codes = [points[0]], [Line.MOVETO]
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        found += [_towards(at, before), at, _towards(at, after)]
        codes += [Line.LINETO, Line.CURVE3, Line.CURVE3]
    return Line([*found, points[-1]], [*codes, Line.LINETO])


def _towards(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    length = abs(a[0] - b[0]) + abs(a[1] - b[1])
    part = min(CORNER, length / 2) / length if length else 0
    return a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])


def _station(axes: Axes, x: float, y: float, chapter: Chapter, part: str, colours: dict, required: bool) -> None:
    face, on = (colours[part], colours["on"]) if required else (colours["paper"], colours["ink"])
    axes.add_patch(Circle((x, y), RADIUS, facecolor=face, edgecolor=colours[part], linewidth=1.6, zorder=3))
    how = {"color": on, "fontsize": 8.3, "fontweight": "bold", "ha": "center", "va": "center_baseline", "zorder": 4}
    axes.text(x, y + 0.3, chapter.number, **how)
    title = _fitted(chapter.title, WIDTH - x - 26)
    axes.text(x + 20, y, title, color=colours["ink"], fontsize=11, va="center", linespacing=1.05)


def _fitted(title: str, width: float, size: float = 11) -> str:
    """On one line, or on two."""
    words = title.split()
    if TextPath((0, 0), title, size).get_extents().x1 <= width:
        return title
    for cut in range(len(words) - 1, 0, -1):
        if TextPath((0, 0), " ".join(words[:cut]), size).get_extents().x1 <= width:
            return " ".join(words[:cut]) + "\n" + " ".join(words[cut:])
    return title


def course_map(chapters: Sequence[Chapter], dark: bool = False) -> bytes:
    """A PNG of few colours, which keeps what it shows as text."""
    names = PngInfo()
    names.add_text("map", told(chapters))
    with BytesIO() as full, BytesIO() as small:
        figure = drawing(chapters, dark)
        figure.savefig(full, format="png", dpi=72 * SCALE, facecolor=figure.get_facecolor())
        with Image.open(full) as image:
            few = image.convert("RGB").quantize(96, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
        few.save(small, format="png", optimize=True, pnginfo=names)
        return small.getvalue()
