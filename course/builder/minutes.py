"""How long a chapter takes a reader who follows every line, from what stands in it: words, equations, code, pictures.

The weights are set so that the five chapters that readers had timed come out within a third of their time.
"""

import re

from .source import Chapter

DISPLAYED = re.compile(r"\$\$.*?\$\$", re.DOTALL)
WORDS_A_MINUTE = 88  # of text that is not skimmed
AN_EQUATION, A_SYMBOL, A_LINE, A_PICTURE = 1.5, 0.17, 0.19, 1.7  # minutes; a line of code, and of a longer equation


def measured_minutes(chapter: Chapter) -> float:
    """Without its exercises, which say their own."""
    cells = chapter.before + chapter.after
    text = "\n".join(cell.text for cell in cells if cell.kind == "markdown")
    code = "\n".join(cell.text for cell in cells if cell.kind == "code")
    equations = sum(1 + equation.count(r"\\") for equation in DISPLAYED.findall(text))
    text = DISPLAYED.sub("", text)
    words, symbols = len(re.findall(r"[A-Za-z']{2,}", text)), text.count("$") // 2
    lines = sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in code.splitlines())
    reading = words / WORDS_A_MINUTE + symbols * A_SYMBOL + equations * AN_EQUATION
    return reading + lines * A_LINE + code.count("draw.") * A_PICTURE
