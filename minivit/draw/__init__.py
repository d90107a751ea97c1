"""The drawings of the tutorials, a function each: every one returns a Picture, which a notebook shows by itself.

page.py: the Picture and its sheet of paper; images.py: raw images; grids.py and panel.py: matrices; flow.py: pipelines;
architecture.py: models; charts.py: lines and bars; launch.py: threads; requests.py: what a warp asks of memory;
moving.py: several drawings as an animation. `alt` says in words what a picture shows.
"""

from .architecture import layers
from .charts import bars, lines
from .flow import shapes
from .grids import matrices, matrix
from .images import digits, maps, patches
from .launch import threads
from .moving import Animation, animation
from .page import Picture, picture
from .requests import addresses, banks

__all__ = [
    "Animation",
    "Picture",
    "addresses",
    "animation",
    "banks",
    "bars",
    "digits",
    "layers",
    "lines",
    "maps",
    "matrices",
    "matrix",
    "patches",
    "picture",
    "shapes",
    "threads",
]
