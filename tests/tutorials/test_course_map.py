"""The map of the course: it shows what the headers say, to those who see colours and to those who do not."""

import dataclasses
import json
from io import BytesIO

import build
import pytest
from builder import course_map
from builder.contents import contents
from builder.source import Chapter
from builder.teaching import SIX, TWELVE
from PIL import Image

CHAPTERS = build.read_chapters()


def chapter(name: str, *needs: str) -> Chapter:
    return Chapter(name, name.partition("_")[2].title(), "Why?", "So.", 5, needs, "of no use", [], [], [], [])


SOME = [
    chapter("00_start"), chapter("02_embed", "00"), chapter("03_pool", "02"), chapter("05_back", "00", "02"),
    chapter("13_train", "05"), chapter("14_look", "02", "13"), chapter("22b_gpu"), chapter("25_fused", "05", "22b"),
    chapter("30_side", "05", "14"),
]  # fmt: skip


def test_an_arrow_says_what_no_other_way_says() -> None:
    assert course_map.arrows(SOME) == [
        ("00", "02"), ("02", "03"), ("02", "05"), ("05", "13"), ("13", "14"), ("05", "25"), ("22b", "25"), ("14", "30")
    ]  # fmt: skip


def test_the_main_line_is_what_its_ends_need() -> None:
    assert course_map.main_line(SOME) == {"00", "02", "05", "13", "14", "22b", "25"}


def test_side_roads_with_high_numbers_belong_to_the_family() -> None:
    parts = {part: [c.number for c in there] for part, there in course_map.by_part(SOME).items()}
    assert parts == {"A": ["00", "02", "03"], "B": ["05"], "C": ["13", "14"], "D": ["30"], "E": ["22b", "25"]}
    page = contents(SOME, {c.name: "A picture." for c in SOME}, "https://github.com/someone/minivit")
    assert page.index("## D. The family") < page.index("30 · Side") < page.index("## E. CUDA") < page.index("22b · Gpu")


def test_ways_in_one_lane_do_not_run_into_each_other() -> None:
    ways = {"a": [0, 2, 5], "b": [1, 3], "c": [3, 6], "d": [4, 9], "e": [6, 8]}
    found = course_map.lanes(list(ways.items()))
    for one, rows in ways.items():
        for other, others in ways.items():
            if one < other and found[one] == found[other]:
                assert max(rows) <= min(others) or max(others) <= min(rows), (one, other)
    assert found["b"] == 1 and max(found.values()) == 3  # the shortest is nearest; row 4 lies under three ways


def test_every_chapter_and_every_need_is_on_the_real_map() -> None:
    shown = json.loads(course_map.told(CHAPTERS))
    stations = [title for there in shown["parts"].values() for title in there]
    assert sorted(stations) == [f"{c.number} {c.title}" for c in CHAPTERS]
    reached: dict[str, set[str]] = {c.number: set() for c in CHAPTERS}
    for a, b in sorted((arrow.split() for arrow in shown["arrows"]), key=lambda arrow: arrow[1]):
        reached[b] |= {a} | reached[a]
    for c in CHAPTERS:
        assert set(c.needs) <= reached[c.number], c.name
        assert set(c.needs) <= set(shown["main"]) or c.number not in shown["main"]


@pytest.mark.parametrize("dark", [False, True])
def test_the_committed_map_is_of_today(dark: bool) -> None:
    path = build.COURSE / f"map_{'dark' if dark else 'light'}.png"
    with Image.open(path) as image:
        assert image.text["map"] == course_map.told(build.built(CHAPTERS)), "python course/build.py --words 00"
        assert image.width == course_map.WIDTH * course_map.SCALE
    assert path.stat().st_size < 100_000
    assert f'srcset="../course/{path.name}"' in build.built_contents(CHAPTERS) or not dark


def brightness(colour: str) -> float:
    """Relative luminance, as the Web Content Accessibility Guidelines 2.2 define it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colours", [course_map.LIGHT, course_map.DARK], ids=["light", "dark"])
def test_what_is_written_can_be_read(colours: dict[str, str]) -> None:
    for name in set(colours) - {"paper", "on", "side"}:
        pairs = [(colours[name], colours["paper"])]
        pairs += [(colours["on"], colours[name])] if name in course_map.PARTS else []
        for one, other in pairs:
            light, dark = sorted((brightness(one), brightness(other)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, name


def test_main_and_side_differ_in_grey() -> None:
    """Filled and hollow: the middle of a station is dark or light, whatever its part's colour."""
    figure = course_map.drawing(SOME, dark=False)
    faces = {
        text.get_text(): brightness("#" + "".join(f"{round(255 * v):02x}" for v in circle.get_facecolor()[:3]))
        for circle in figure.axes[0].patches
        for text in figure.axes[0].texts
        if circle.__class__.__name__ == "Circle" and abs(text.get_position()[1] - circle.center[1]) < 1
        if text.get_position()[0] == circle.center[0]
    }
    assert faces.keys() == {c.number for c in SOME}
    for number, bright in faces.items():
        assert bright < 0.2 if number in course_map.main_line(SOME) else bright > 0.8, number


def test_a_title_that_is_too_long_takes_two_lines_and_stays_on_the_page() -> None:
    figure = course_map.drawing(
        [
            *SOME,
            dataclasses.replace(chapter("15_x", "14"), title="A title that is longer than any phone shows in a line"),
        ],
        False,
    )
    figure.canvas.draw()
    for text in figure.axes[0].texts:
        assert text.get_window_extent().x1 <= figure.bbox.x1, text.get_text()


@pytest.mark.parametrize("weeks", [SIX, TWELVE], ids=["six", "twelve"])
def test_a_schedule_teaches_first_what_is_needed_first(weeks: dict[str, tuple[str, ...]]) -> None:
    order = [number for numbers in weeks.values() for number in numbers]
    for number in order:
        (found,) = [c for c in CHAPTERS if c.number == number]
        assert set(found.needs) <= set(order[: order.index(number)]), number


def test_it_is_drawn_the_same_each_time() -> None:
    first, second = (course_map.course_map(SOME) for _ in range(2))
    assert first == second
    with Image.open(BytesIO(first)) as image:
        assert image.convert("RGB").getpixel((1, 1)) == (255, 255, 255)
