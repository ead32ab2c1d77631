"""Films hold what the widget shows at every place of its control, and leave the widget as it was."""

import base64
import json
import re
from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tools.site.films import OTHERS, displayed_boxes, film, film_html
from vsreid_lite.figures.figure3 import run_figure3
from vsreid_lite.widgets import FirstMaskPainter, PictureBox, checkpoint_explorer, frame_slider
from vsreid_lite.widgets.shell import instances, share, slider


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
    (reel,) = [each.pictures for each in made.reels.values()]
    assert [picture.words for picture in reel] == [f"<number> {i}" for i in range(5)]
    assert [grey(picture) for picture in reel] == pytest.approx([25.5 * i for i in range(5)], abs=2)
    assert reel[0].size == (100, 50)
    assert (made.reels[""].control, made.reels[""].first, made.at) == ("frame", 0, 2)
    assert box.controls["frame"].value == 2 and box.picture.value == before


def test_a_film_counts_from_the_first_value_of_its_control():
    made = film(PictureBox(lambda frame: shade(frame), {"frame": slider("frame", 3, 5, 4)}))
    reel = made.reels[""]
    assert (reel.first, made.at, [picture.words[-1] for picture in reel.pictures]) == (3, 4, ["3", "4", "5"])
    assert '<input type="range" min="3" max="5" value="4" autocomplete="off">' in film_html(made)


def test_the_film_of_the_explorer_has_a_reel_of_rounds_for_each_run():
    sequence, result = run_figure3()
    box = checkpoint_explorer(sequence, result)
    made, cells = film(box), "map of instance 1, last round"
    assert list(made.reels) == ["Figure 3", "Figure 3, with repair R1", "Figure 3, as printed", cells]
    assert [len(reel.pictures) for reel in made.reels.values()] == [2, 2, 4, 6]
    assert [reel.control for reel in made.reels.values()] == ["round", "round", "round", "frame"]
    assert made.reels["Figure 3"] == made.reels["Figure 3, with repair R1"]
    assert made.reels["Figure 3, as printed"].pictures[3].words.startswith("Round 3")
    assert (box.controls["run"].value, box.controls["number"].value) == ("Figure 3", 0)
    assert made.cells == [[str(c) for c in result.rounds[-1].start[:, 0]]]
    assert "frame 4 was propagated from frame 5" in made.reels[cells].pictures[4].words
    assert 'data-reel="3" data-at="4" aria-label="map of instance 1, last round, frame 4">5</button>' in film_html(made)


def test_a_film_has_a_reel_for_each_instance_its_own_first_and_for_other_thresholds():
    drawn = []

    def draw(frame, instance, rho_reid):
        drawn.append((frame, instance, rho_reid))
        return shade(frame, f"{instance} {rho_reid:.1f}")

    controls = {"frame": slider("frame", 0, 1, 1), "instance": instances((5, 8), 1), "rho_reid": share("r", 0.7, "r")}
    box = PictureBox(draw, controls)
    made = film(box)
    names = ["instance 8", "instance 5", *(f"rho_reid {value:.2f}" for value in OTHERS["rho_reid"])]
    assert list(made.reels) == names and [one.value for one in controls.values()] == [1, 1, 0.7]
    words = [reel.pictures[0].words for reel in made.reels.values()]
    assert words == ["1 0.7 0", "0 0.7 0", *(f"1 {value:.1f} 0" for value in OTHERS["rho_reid"])]
    assert len(drawn) == len(set(drawn)) == 12


def test_a_widget_with_nothing_to_step_through_is_one_picture_that_says_so():
    made = film(FirstMaskPainter(np.zeros((8, 8, 3), np.uint8)))
    assert [len(reel.pictures) for reel in made.reels.values()] == [1]
    assert "<input" not in film_html(made) and "moves in JupyterLab only" in film_html(made)


def test_a_picture_that_cannot_be_drawn_is_no_film():
    with pytest.raises(ZeroDivisionError):
        film(frame_slider(lambda i: shade(1 // (3 - i)), 5))


def test_the_page_shows_the_picture_of_the_widget_with_its_words_and_keeps_all_for_the_script():
    made = film(frame_slider(shade, 3, 1))
    text = film_html(made)
    (reel,) = [each.pictures for each in made.reels.values()]
    assert f'<img alt="&lt;number&gt; 1" width="100" height="50" src="{reel[1].address}">' in text
    assert '<figcaption role="status" aria-live="polite">&lt;number&gt; 1</figcaption>' in text
    kept = json.loads(re.search(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)[1])
    pictures = [{"src": picture.address, "words": picture.words} for picture in reel]
    assert kept == [{"control": "frame", "first": 0, "pictures": pictures}]


def test_words_cannot_end_the_script():
    text = film_html(film(frame_slider(lambda i: shade(i, "</script><!--<script>"), 2)))
    assert text.count("</script>") == text.count("<script") == 1 and "<!--" not in text
