"""Widgets that move without Python: a picture for each place of a control, drawn beforehand, and a slider over them."""

from __future__ import annotations

import base64
import gc
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from ipywidgets import Dropdown, IntSlider
from PIL import Image

from vsreid_lite.widgets import PictureBox

STEPPED = ("number", "frame")  # the controls that a film steps through, best first: a round moves its frame along
CHOSEN = "run"  # the control that chooses between the reels of a film
QUALITY = 85  # of WebP
NEEDS_KERNEL = '<p class="note">This widget moves in JupyterLab only (<code>make lab</code>).</p>'


@dataclass(frozen=True)
class Picture:
    """One picture of a widget: a WebP file as a data address, its size in pixels, and what it shows in words."""

    address: str
    size: tuple[int, int]
    words: str


@dataclass(frozen=True)
class Film:
    """What a widget shows as one of its controls moves from end to end, and where that stood.

    reels: the pictures for each value of the control, by the name of the run they show; a single reel has no name.
    control: its name, empty for a widget with none to step through. first: the value of the first picture of each reel.
    """

    control: str
    first: int
    at: int
    reels: dict[str, list[Picture]]


def displayed_boxes() -> dict[str, PictureBox]:
    """Every `PictureBox` of this process by its model id, under which a notebook's output names it."""
    found = [
        thing for thing in gc.get_objects() if issubclass(type(thing), PictureBox)
    ]  # isinstance would ask weak proxies
    return {box.model_id: box for box in found}


def film(box: PictureBox) -> Film:
    """A film of a widget, which then stands where it stood before. Raises what its `draw` raises."""
    names = [name for name in STEPPED if isinstance(box.controls.get(name), IntSlider)]
    if not names:
        return Film("", 0, 0, {"": [_picture(box)]})
    control = box.controls[names[0]]
    before = {name: other.value for name, other in box.controls.items()}
    reels = {run: [_picture(box) for control.value in range(control.min, control.max + 1)] for run in _runs(box)}
    for name, value in before.items():
        box.controls[name].value = value
    return Film(control.description, control.min, control.value, reels)


def _runs(box: PictureBox) -> Iterator[str]:
    """Puts the control that chooses a run on each of its entries in turn, and gives their names."""
    control = box.controls.get(CHOSEN)
    if not isinstance(control, Dropdown):
        yield ""
        return
    for name in [option if isinstance(option, str) else option[0] for option in control.options]:
        control.label = name
        yield name


def _picture(box: PictureBox) -> Picture:
    """What a widget shows now."""
    png = base64.b64decode(box.picture.value.partition("base64,")[2].partition('"')[0])
    image, webp = Image.open(BytesIO(png)), BytesIO()
    image.save(webp, format="WEBP", quality=QUALITY)
    address = f"data:image/webp;base64,{base64.b64encode(webp.getvalue()).decode('ascii')}"
    return Picture(address, image.size, html.unescape(re.sub(r"<[^>]+>", "", box.text.value)))


def film_html(film: Film) -> str:
    """A figure with the picture at which the widget stood and, where there are several, the controls that change it.

    The script of `pages.js` moves it; without scripts the picture stands. All controls are native: Tab and the arrow
    keys work, and the words below the picture are read out as it changes.
    """
    reels, at = list(film.reels.values()), film.at - film.first
    shown, words = _image(reels[0][at]), html.escape(reels[0][at].words)
    if not film.control:
        return f'<figure class="film">{shown}<figcaption>{words}</figcaption>{NEEDS_KERNEL}</figure>'
    return f"""<figure class="film">
{_controls(film)}{shown}
<figcaption role="status" aria-live="polite">{words}</figcaption>
<script type="application/json">{_as_json(reels)}</script>
</figure>"""


def _controls(film: Film) -> str:
    """Of a film; `autocomplete` keeps a browser from moving them, and not the picture, when it opens a page again."""
    options = "".join(f"<option>{html.escape(name)}</option>" for name in film.reels)
    reel = f'<label>run <select class="reel" autocomplete="off">{options}</select></label>'
    choice = reel if len(film.reels) > 1 else ""
    last = film.first + len(next(iter(film.reels.values()))) - 1
    return f"""<div class="controls">{choice}
<button type="button" class="back">◀ back</button>
<button type="button" class="play">play</button>
<button type="button" class="on">on ▶</button>
<label>{html.escape(film.control)}
<input type="range" min="{film.first}" max="{last}" value="{film.at}" autocomplete="off"></label>
<output>{film.at}</output>
</div>
"""


def _image(picture: Picture) -> str:
    width, height = picture.size
    return f'<img alt="{html.escape(picture.words)}" width="{width}" height="{height}" src="{picture.address}">'


def _as_json(reels: list[list[Picture]]) -> str:
    pictures = [[{"src": picture.address, "words": picture.words} for picture in reel] for reel in reels]
    return json.dumps(pictures).replace("<", "\\u003c")  # no word of it ends the script, or opens a comment
