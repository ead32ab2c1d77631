"""In JupyterLab, as a reader has it: Run All, move every slider by keyboard, step and play; the pictures must change.

A cell may take LIMIT seconds, however busy the machine is; alone on two cores a notebook takes about one minute.
"""

import time

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("kernels_ended")]

LIMIT = 600  # seconds
ERROR_OUTPUTS = '[data-mime-type="application/vnd.jupyter.error"]'
PICTURE_BOX = ".widget-vbox:has(> .widget-html img)"
FEWER_CELLS_WAIT = """(before) => {
  const prompts = [...document.querySelectorAll(".jp-Notebook .jp-CodeCell .jp-InputPrompt")];
  const failed = document.querySelector('[data-mime-type="application/vnd.jupyter.error"]');
  const waiting = failed ? 0 : prompts.filter((prompt) => !/\\d/.test(prompt.textContent)).length;
  return prompts.length && waiting !== before && { waiting };
}"""
ANOTHER_PICTURE = "([box, src]) => box.querySelector(':scope > .widget-html img').src !== src"


@pytest.mark.parametrize("name", ["06_reidentification", "07_vsreid"])
def test_run_all_then_sliders_and_steppers_change_the_pictures(name, lab, tab):
    page = tab.open(lab(name))
    wait_for_kernel(page, lab(name))
    run_all(page)
    assert page.locator(ERROR_OUTPUTS).count() == 0
    boxes = page.locator(PICTURE_BOX).all()
    assert boxes, "no widget with a picture"
    for box in boxes:
        for slider in box.get_by_role("slider").all():
            check_change(box, lambda control=slider: to_the_other_end(control))
    steppers = page.locator(f"{PICTURE_BOX}:has(.widget-play)").all()
    assert steppers or name != "07_vsreid"
    for box in steppers:
        check_stepper(box)
    for box in page.locator(f"{PICTURE_BOX}:has(.widget-toggle-buttons)").all():
        check_change(box, box.locator(".widget-toggle-buttons button").last.click)
        assert "was propagated from" in box.get_by_role("status").inner_text()
    assert page.locator(f"{PICTURE_BOX} [role=alert]").count() == 0


def wait_for_kernel(page, address):
    """Without one, Run All asks for a kernel instead, or runs nothing."""
    kernels = f"{address.split('/lab/')[0]}/api/kernels?{address.split('?')[1]}"
    end = time.monotonic() + LIMIT
    while not any(kernel["connections"] for kernel in page.request.get(kernels).json()):
        assert time.monotonic() < end, "no kernel"
        page.wait_for_timeout(500)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(state="attached")
    assert page.locator(".jp-NotebookPanel").count() == 1, "what is waited for may be another notebook's"


def run_all(page):
    """Run All Cells from the menu, and wait until every code cell has its number, or one has failed."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    waiting = None
    while waiting != 0:
        found = page.wait_for_function(FEWER_CELLS_WAIT, arg=waiting, timeout=LIMIT * 1000)
        waiting = found.json_value()["waiting"]


def to_the_other_end(slider):
    """By keyboard, as everything must go: End, or Home where it is there already."""
    at_end = slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemax")
    slider.press("Home" if at_end else "End")


def check_stepper(box):
    """From the end to the first; on, back, and Play."""
    check_change(box, lambda: box.get_by_role("slider").first.press("Home"))
    check_change(box, box.get_by_role("button", name="on ▶").click)
    check_change(box, box.get_by_role("button", name="◀ back").click)
    play = box.locator(".widget-play button").first
    check_change(box, play.click)
    play.click()


def check_change(box, act):
    """Another picture comes, with words; playwright's TimeoutError where none does."""
    before = box.locator(":scope > .widget-html img").get_attribute("src")
    act()
    box.page.wait_for_function(ANOTHER_PICTURE, arg=[box.element_handle(), before])
    assert box.get_by_role("status").inner_text() != ""


def test_contents_lead_to_their_headings(lab, tab):
    page = tab.open(lab("02_flow_and_warping"))
    for heading in ("8. The release's warp", "3. One pixel by hand", "What differs, and what comes next"):
        page.locator(".jp-RenderedMarkdown").get_by_role("link", name=heading, exact=True).first.click()
        expect(page.locator(".jp-RenderedMarkdown h2", has_text=heading)).to_be_in_viewport()
        page.locator(".jp-RenderedMarkdown h1").first.scroll_into_view_if_needed()
