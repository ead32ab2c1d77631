"""In JupyterLab, as a reader has it: Run All, move every slider by keyboard, step and play; the pictures must change.

One notebook may take LIMIT seconds, however busy the machine is; alone on two cores it takes about one minute.
"""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("kernels_ended")]

LIMIT = 600  # seconds
ERROR_OUTPUTS = '[data-mime-type="application/vnd.jupyter.error"]'
PICTURE_BOX = ".widget-vbox:has(> .widget-html img)"


@pytest.mark.parametrize("name", ["00_start_here", "06_reidentification", "07_vsreid"])
def test_run_all_then_every_slider_changes_its_picture(name, lab, tab):
    page = tab.open(lab(name))
    run_all(page)
    assert page.locator(ERROR_OUTPUTS).count() == 0
    boxes = page.locator(PICTURE_BOX).all()
    assert boxes, "no widget with a picture"
    for box in boxes:
        for slider in box.get_by_role("slider").all():
            assert changes(box, lambda control=slider: to_the_other_end(control)), "a slider that moves nothing"
        assert box.get_by_role("alert").count() == 0


def test_the_stepper_goes_on_and_back_and_plays(lab, tab):
    page = tab.open(lab("07_vsreid"))
    run_all(page)
    box = page.locator(f"{PICTURE_BOX}:has(.widget-play)").first
    start = picture(box)
    assert changes(box, box.get_by_role("button", name="on ▶").click)
    assert changes(box, box.get_by_role("button", name="◀ back").click)
    assert picture(box) == start
    play = box.locator(".widget-play button")
    assert changes(box, play.first.click)
    play.first.click()
    assert box.get_by_role("alert").count() == 0


def run_all(page):
    """Run All Cells from the menu, and wait until every code cell has its number."""
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(ALL_HAVE_RUN, timeout=LIMIT * 1000)


ALL_HAVE_RUN = """() => {
  const prompts = [...document.querySelectorAll(".jp-Notebook .jp-CodeCell .jp-InputPrompt")];
  const failed = document.querySelector('[data-mime-type="application/vnd.jupyter.error"]');
  return failed || (prompts.length && prompts.every((prompt) => /\\d/.test(prompt.textContent)));
}"""


def to_the_other_end(slider):
    """By keyboard, as everything must go: End, or Home where it is there already."""
    slider.focus()
    at_end = slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemax")
    slider.press("Home" if at_end else "End")


def picture(box):
    return box.locator(":scope > .widget-html img").first.get_attribute("src")


def changes(box, act):
    """Does another picture come, with words? Waits for it, and raises playwright's TimeoutError where none does."""
    before = picture(box)
    act()
    box.page.wait_for_function(
        "([box, src]) => box.querySelector(':scope > .widget-html img').src !== src",
        arg=[box.element_handle(), before],
    )
    return box.get_by_role("status").inner_text() != ""
