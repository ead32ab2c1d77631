"""Films hold what the widget shows at every place of its control, and leave the widget as it was."""

import base64
import json
import re
from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tools.site.films import displayed_boxes, film, film_html
from vsreid_lite.figures.figure3 import run_figure3
from vsreid_lite.widgets import FirstMaskPainter, PictureBox, checkpoint_explorer, frame_slider
from vsreid_lite.widgets.shell import slider


def shade(i, words="<number>"):
    """A picture whose grey is its number."""
    figure = Figure(figsize=(1, 0.5), facecolor=str(i / 10))
    figure.set_label(f"{words} {i}")
    return figure


def grey(picture):
    image = Image.open(BytesIO(base64.b64decode(picture.address.split("base64,")[1])))
    assert image.format == "WEBP" and image.size == picture.size
    return np.asarray(image).mean()


def test_a_film_has_a_picture_and_words_for_each_frame_and_the_widget_stays_where_it_was():
    box = frame_slider(shade, 5, 2)
    assert displayed_boxes()[box.model_id] is box  # as outputs name it
    before = box.picture.value
    made = film(box)
    (reel,) = made.reels.values()
    assert [picture.words for picture in reel] == [f"<number> {i}" for i in range(5)]
    assert [grey(picture) for picture in reel] == pytest.approx([25.5 * i for i in range(5)], abs=2)
    assert reel[0].size == (100, 50)
    assert (made.control, made.first, made.at) == ("frame", 0, 2)
    assert box.controls["frame"].value == 2 and box.picture.value == before


def test_a_film_counts_from_the_first_value_of_its_control():
    made = film(PictureBox(lambda frame: shade(frame), {"frame": slider("frame", 3, 5, 4)}))
    assert (made.first, made.at, [picture.words[-1] for picture in made.reels[""]]) == (3, 4, ["3", "4", "5"])
    assert '<input type="range" min="3" max="5" value="4" autocomplete="off">' in film_html(made)


def test_the_film_of_the_explorer_has_a_reel_of_rounds_for_each_run():
    sequence, result = run_figure3()
    box = checkpoint_explorer(sequence, result)
    made = film(box)
    assert made.control == "round"
    assert list(made.reels) == ["Figure 3", "Figure 3, with repair R1", "Figure 3, as printed"]
    assert [len(reel) for reel in made.reels.values()] == [2, 2, 4]
    assert made.reels["Figure 3"] == made.reels["Figure 3, with repair R1"]
    assert made.reels["Figure 3, as printed"][3].words.startswith("Round 3")
    assert (box.controls["run"].value, box.controls["number"].value) == ("Figure 3", 0)


def test_a_widget_with_nothing_to_step_through_is_one_picture_that_says_so():
    made = film(FirstMaskPainter(np.zeros((8, 8, 3), np.uint8)))
    assert [len(reel) for reel in made.reels.values()] == [1]
    assert "<input" not in film_html(made) and "moves in JupyterLab only" in film_html(made)


def test_a_picture_that_cannot_be_drawn_is_no_film():
    with pytest.raises(ZeroDivisionError):
        film(frame_slider(lambda i: shade(1 // (3 - i)), 5))


def test_the_page_shows_the_picture_of_the_widget_with_its_words_and_keeps_all_for_the_script():
    made = film(frame_slider(shade, 3, 1))
    text = film_html(made)
    (reel,) = made.reels.values()
    assert f'<img alt="&lt;number&gt; 1" width="100" height="50" src="{reel[1].address}">' in text
    assert '<figcaption role="status" aria-live="polite">&lt;number&gt; 1</figcaption>' in text
    kept = json.loads(re.search(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)[1])
    assert kept == [[{"src": picture.address, "words": picture.words} for picture in reel]]


def test_words_cannot_end_the_script():
    text = film_html(film(frame_slider(lambda i: shade(i, "</script><!--<script>"), 2)))
    assert text.count("</script>") == text.count("<script") == 1 and "<!--" not in text
