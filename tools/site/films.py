"""Widgets that move without Python: a picture for each place of a control, drawn beforehand, and a slider over them."""

from __future__ import annotations

import base64
import gc
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

from ipywidgets import Dropdown, IntSlider, ToggleButtons, Widget
from PIL import Image

from vsreid_lite.widgets import PictureBox

STEPPED = ("number", "frame")  # the controls that a film steps through, best first: a round moves its frame along
CHOSEN = ("run", "instance")  # the control, the first that there is, whose entries have a reel each
OTHERS = {"rho_reid": (0.5, 0.6, 0.8, 0.9)}  # values of other controls that have a reel each
CELLS = "cell"  # the control of what is shown of a cell
QUALITY, EFFORT = 85, 2  # of WebP; the usual effort of 4 takes 46 ms for a picture, not 17, and saves 4 % of the file
NEEDS_KERNEL = '<p class="note">This widget moves in JupyterLab only (<code>make lab</code>).</p>'


@dataclass(frozen=True)
class Picture:
    """One picture of a widget: a WebP file as a data address, its size in pixels, and what it shows in words."""

    address: str
    size: tuple[int, int]
    words: str


@dataclass(frozen=True)
class Reel:
    """The pictures of a widget for each value of one of its controls.

    control: its name, empty for a widget with none to step through. first: the value of the first picture.
    """

    control: str
    first: int
    pictures: list[Picture]


@dataclass(frozen=True)
class Film:
    """What a widget shows as one of its controls moves from end to end, and where that stood.

    reels: by the name of what they show, at first as the widget stood; a single reel has no name. cells: rows of
    numbers to click, each the place of a picture in one of the last reels.
    """

    at: int
    reels: dict[str, Reel]
    cells: list[list[str]] = field(default_factory=list)


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
        return Film(0, {"": Reel("", 0, [_picture(box)])})
    before = {name: other.value for name, other in box.controls.items()}
    reels = {name: _reel(box, names[0]) for name in _reels(box, before)}
    reels |= {name: _reel(box, "frame") for name in _cells(box)}
    rows = [row for row in _inside(box) if isinstance(row, ToggleButtons)]  # of the last round now
    cells = [[label for label, _ in row.options] for row in rows]
    _restore(box, before)
    return Film(before[names[0]], reels, cells)


def _reel(box: PictureBox, name: str) -> Reel:
    control = box.controls[name]
    return Reel(
        control.description, control.min, [_picture(box) for control.value in range(control.min, control.max + 1)]
    )


def _reels(box: PictureBox, before: dict[str, object]) -> Iterator[str]:
    """Puts the control that chooses on each of its entries in turn, its own first, then others; gives their names."""
    chosen = next((name for name in CHOSEN if isinstance(box.controls.get(name), Dropdown)), None)
    if chosen is None:
        yield ""
        return
    control, others = box.controls[chosen], {name: OTHERS[name] for name in OTHERS if name in box.controls}
    labels = [option if isinstance(option, str) else option[0] for option in control.options]
    for label in sorted(labels, key=lambda label: label != control.label):
        control.label = label
        yield label if chosen == CHOSEN[0] else f"{chosen} {label}"
    for name, values in others.items():
        _restore(box, before)
        for value in values:
            box.controls[name].value = value
            yield f"{name} {value:.2f}"
    _restore(box, before)


def _cells(box: PictureBox) -> Iterator[str]:
    """Puts a widget of rounds on the last one, and on each of its instances in turn."""
    if CELLS in box.controls:
        box.controls["number"].value = box.controls["number"].max
        for label, value in box.controls[CELLS].options[1:]:
            box.controls[CELLS].value = value
            yield f"{label}, last round"


def _inside(box: Widget) -> Iterator[Widget]:
    """All widgets of a widget."""
    for child in getattr(box, "children", ()):
        yield child
        yield from _inside(child)


def _restore(box: PictureBox, before: dict[str, object]) -> None:
    for name, value in before.items():
        box.controls[name].value = value


def _picture(box: PictureBox) -> Picture:
    """What a widget shows now."""
    png = base64.b64decode(box.picture.value.partition("base64,")[2].partition('"')[0])
    image, webp = Image.open(BytesIO(png)), BytesIO()
    image.save(webp, format="WEBP", quality=QUALITY, method=EFFORT)
    address = f"data:image/webp;base64,{base64.b64encode(webp.getvalue()).decode('ascii')}"
    return Picture(address, image.size, html.unescape(re.sub(r"<[^>]+>", "", box.text.value)))


def film_html(film: Film) -> str:
    """A figure with the picture at which the widget stood and, where there are several, the controls that change it.

    The script of `pages.js` moves it; without scripts the picture stands. All controls are native: Tab and the arrow
    keys work, and the words below the picture are read out as it changes.
    """
    first = next(iter(film.reels.values()))
    at = film.at - first.first
    words = html.escape(first.pictures[at].words)
    shown = f'<div class="wide" tabindex="0">{_image(first.pictures[at])}</div>'
    if not first.control:
        return f'<figure class="film">{shown}<figcaption>{words}</figcaption>{NEEDS_KERNEL}</figure>'
    return f"""<figure class="film">
{_controls(film, first)}{shown}
<figcaption role="status" aria-live="polite">{words}</figcaption>
{_rows(film)}<script type="application/json">{_as_json(list(film.reels.values()))}</script>
</figure>"""


def _controls(film: Film, first: Reel) -> str:
    """Of a film; `autocomplete` keeps a browser from moving them, and not the picture, when it opens a page again."""
    options = "".join(f"<option>{html.escape(name)}</option>" for name in film.reels)
    reel = f'<label>shown <select class="reel" autocomplete="off">{options}</select></label>'
    choice = reel if len(film.reels) > 1 else ""
    last = first.first + len(first.pictures) - 1
    return f"""<div class="controls">{choice}
<button type="button" class="back">◀ back</button>
<button type="button" class="play">play</button>
<button type="button" class="on">on ▶</button>
<label><span>{html.escape(first.control)}</span>
<input type="range" min="{first.first}" max="{last}" value="{film.at}" autocomplete="off"></label>
<output>{film.at}</output>
</div>
"""


def _rows(film: Film) -> str:
    """The cells as buttons, a row for each of the last reels."""
    rows = []
    for row, numbers in enumerate(film.cells, len(film.reels) - len(film.cells)):
        name = html.escape(list(film.reels)[row])
        buttons = [
            f'<button type="button" data-reel="{row}" data-at="{at}" aria-label="{name}, frame {at}">{c}</button>'
            for at, c in enumerate(numbers)
        ]
        rows.append(f'<div class="wide cells"><span>{name}</span> {"".join(buttons)}</div>\n')
    return "".join(rows)


def _image(picture: Picture) -> str:
    width, height = picture.size
    return f'<img alt="{html.escape(picture.words)}" width="{width}" height="{height}" src="{picture.address}">'


def _as_json(reels: list[Reel]) -> str:
    pictures = [
        {
            "control": reel.control,
            "first": reel.first,
            "pictures": [{"src": one.address, "words": one.words} for one in reel.pictures],
        }
        for reel in reels
    ]
    return json.dumps(pictures).replace("<", "\\u003c")  # no word of it ends the script, or opens a comment
