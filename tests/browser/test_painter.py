"""The painter with real clicks: the page of `make site` as a file with the network off, the widget in JupyterLab."""

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE
from tests.browser.test_lab import run_all, wait_for_kernel
from tools.site.page import wrap
from tools.site.painter import painter_page
from vsreid_lite.video.masks import PALETTE, open_image, read_labels
from vsreid_lite.video.movies import write_video

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE * 1000)

Y, X = np.indices((60, 80)) + 0.5
BOX, TRIANGLE = (X > 40) & (X < 70) & (Y > 10) & (Y < 50), (Y > 10) & (X > 10) & (X + Y < 50)
DISC = np.hypot(X - 55, Y - 30) < 12
NOTEBOOK = """import numpy as np
from vsreid_lite.widgets import mask_painter
y, x = np.indices((60, 80)) + 0.5
frame = np.where((np.hypot(x - 55, y - 30) < 12)[..., None], [230, 180, 60], [40, 60, 90]).astype(np.uint8)
mask_painter([frame, frame[::-1]], "first.png")"""


class Hand:
    """Clicks and drags at places of a frame of 60 x 80 in a painter, however large it is shown."""

    def __init__(self, page):
        self.page, self.root = page, page.locator(".vsreid-painter")
        self.view, self.line, self.frame = (self.root.locator(x) for x in (".view", ".line", "[type=range]"))
        self.says("80 x 60 pixels")

    def drag(self, start, end):
        self.view.scroll_into_view_if_needed()
        sheet = self.view.locator("> div").bounding_box()
        for (x, y), act in ((start, self.page.mouse.down), (end, self.page.mouse.up)):
            self.page.mouse.move(
                *(sheet[axis] + at * sheet["width"] / 80 for axis, at in (("x", x), ("y", y))), steps=2
            )
            act()

    def click(self, *places):
        for place in places:
            self.drag(place, place)

    def box(self, start, end):
        self.root.locator("select").select_option("box")
        self.drag(start, end)
        self.root.locator("select").select_option("polygon")

    def press(self, *names):
        for name in names:
            self.root.get_by_role("button", name=name, exact=True).click()

    def says(self, words):
        expect(self.line).to_contain_text(words)

    def save(self, folder):
        with self.page.expect_download() as download:
            self.page.locator("#save").click()
        download.value.save_as(folder / download.value.suggested_filename)
        return folder / download.value.suggested_filename


@pytest.fixture
def page(tab, tmp_path):
    (tmp_path / "painter.html").write_text(wrap("Paint", painter_page()), encoding="utf-8")
    return tab.open((tmp_path / "painter.html").as_uri(), offline=True)


def test_two_instances_become_a_png_that_vsreid_reads_and_what_cannot_be_is_said(page, tmp_path):
    paths = [tmp_path / name for name in ("0.png", "1.png", "2.png", "notes.txt")]
    for path, size in zip(paths, ((80, 60), (80, 60), (40, 30)), strict=False):
        Image.new("L", size, 90).save(path)
    paths[3].write_text("no image")
    page.set_input_files("#files", paths[3])
    expect(page.get_by_role("alert")).to_contain_text("notes.txt: no image that this browser can read")
    page.set_input_files("#files", paths[:3])
    hand, save = Hand(page), page.locator("#save")
    save.click()
    hand.says("0.png: no instance is drawn")
    hand.click((10, 10), (30, 10), (10, 30))
    save.click()
    hand.says("0.png: a polygon is open")
    hand.click((10, 10))  # closes it
    hand.drag((30, 10), (40, 10))
    hand.drag((10, 30), (10, 40))
    hand.press("next instance")
    hand.box((40, 10), (60, 50))
    hand.press("+", "+")
    hand.view.evaluate("(view) => view.scrollTo(1000, 1000)")
    hand.drag((60, 50), (70, 50))
    hand.press("fit")
    mask = hand.save(tmp_path)
    assert mask.name == "0-mask.png" and np.array_equal(read_labels(mask, Y.shape), TRIANGLE + 2 * BOX)
    assert open_image(mask).getpalette() == PALETTE.ravel().tolist()
    hand.view.press("Control+z")
    hand.says("instance 2: 800 pixels")
    hand.frame.press("ArrowRight")
    hand.says("1.png, 80 x 60 pixels. No instance")
    hand.frame.press("ArrowRight")
    hand.says("2.png: 40 x 30 pixels, expected 80 x 60 pixels as the first frame has")
    assert hand.frame.input_value() == "1"


def test_a_frame_of_a_video_is_found_by_its_number(page, tmp_path):
    write_video(tmp_path / "clip.mp4", [np.full((60, 80, 3), 20 * i, np.uint8) for i in range(10)], 12.0)
    page.set_input_files("#files", tmp_path / "clip.mp4")
    hand = Hand(page)
    for i in range(1, 8):
        hand.frame.press("ArrowRight")
        hand.says(f"clip.mp4, frame {i},")
    middle = "(c) => [...c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data]"
    assert hand.root.locator("canvas").evaluate(middle)[:3] == pytest.approx([140] * 3, abs=6)
    hand.box((40, 10), (70, 50))
    mask = hand.save(tmp_path)
    assert mask.name == "clip-00007-mask.png" and np.array_equal(read_labels(mask), BOX)


@pytest.mark.usefixtures("kernels_ended")
def test_in_jupyterlab_grabcut_trims_a_box_and_the_masks_of_two_frames_are_saved(lab, lab_folder, tab):
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = new_notebook(cells=[new_code_cell(NOTEBOOK)], metadata=kernel)
    nbformat.write(notebook, lab_folder / "notebooks" / "paint.ipynb")
    page = tab.open(lab("paint"))
    wait_for_kernel(page, lab("paint"))
    run_all(page)
    hand = Hand(page)
    hand.box((38, 14), (72, 46))
    hand.press("GrabCut")
    expect(hand.line).not_to_contain_text("1088 pixels")
    hand.frame.fill("1")
    hand.says("frame 1,")
    hand.click((10, 10), (40, 10), (10, 40))
    hand.view.press("Enter")
    hand.says("instance 1: ")
    page.get_by_role("button", name="save", exact=True).click()
    expect(page.locator(".widget-html [role]").last).to_contain_text("--mask 1=first-00001.png")
    first, later = (read_labels(lab_folder / "notebooks" / name) for name in ("first.png", "first-00001.png"))
    assert np.array_equal(later, TRIANGLE) and np.mean(first == DISC) > 0.99
