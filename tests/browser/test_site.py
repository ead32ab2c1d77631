"""Pages as of `make site`, opened as files with the network off: nothing missing, nothing blank, films that move."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NOTEBOOKS, ROOT

pytestmark = pytest.mark.browser

SITE = ROOT / "build" / "tested"
WIDGETS = ["06_reidentification", "07_vsreid"]  # at least these have films

BLANK = """() => [...document.querySelectorAll("main .cell, main .output_area, main figure, nav")]
  .filter((part) => part.getBoundingClientRect().height < 8 || !(part.innerText.trim() || part.querySelector("img")))
  .map((part) => part.outerHTML.slice(0, 200))"""
IMAGES = """() => [...document.images]
  .filter((image) => !image.complete || !image.naturalWidth || !image.alt.trim())
  .map((image) => image.outerHTML.slice(0, 100))"""
FORMULAE = """() => [...document.querySelectorAll("math")]
  .filter((formula) => formula.getBoundingClientRect().width < 4).map((formula) => formula.outerHTML)"""


NARROW = """() => document.documentElement.scrollWidth <= 390 && [...document.images]
  .every((image) => image.clientWidth === image.naturalWidth)"""  # letters of 7 points at 100 dots per inch: 9.7 pixels


@pytest.fixture
def opened(tab):
    """Opens a page of the site by its name."""
    if not (SITE / "index.html").is_file():
        pytest.fail(f"no {SITE.relative_to(ROOT)}/index.html: run make test-browser", pytrace=False)
    return lambda name: tab.open((SITE / f"{name}.html").as_uri(), offline=True)


def test_the_index_leads_to_every_notebook_and_shows_a_picture_of_each(opened):
    page = opened("index")
    cards = page.locator(".cards li")
    links = [link.get_attribute("href") for link in cards.locator("h2 a").all()]
    assert links == [f"{path.stem}.html" for path in NOTEBOOKS]
    assert cards.locator("img").count() == len(NOTEBOOKS)
    assert page.evaluate(BLANK) == [] and page.evaluate(IMAGES) == []
    cards.locator("h2 a").first.click()
    expect(page.locator("main h1").first).to_be_visible()


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_a_page_is_whole_without_the_network_and_its_films_move(name, opened):
    page = opened(name)
    assert page.evaluate(BLANK) == [] and page.evaluate(IMAGES) == [] and page.evaluate(FORMULAE) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    films = page.locator("figure.film:has(input)").all()
    assert films or name not in WIDGETS
    for film in films:
        check_slider(film)
        check_steps(film)
    for film in page.locator("figure.film:has(.reel)").all():
        for choice in film.locator(".reel").all():
            before = shown(film)["src"]
            choice.select_option(index=1)
            assert shown(film)["src"] != before
    check_contents(page)
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate(NARROW)


def test_the_film_of_the_rounds_plays_to_its_end_and_changes_its_run(opened):
    page = opened("07_vsreid")
    page.clock.install()
    film = page.locator("figure.film:has(.reel)").first
    slider, play = film.get_by_role("slider"), film.locator(".play")
    film.locator(".reel").select_option("Figure 3, as printed")
    assert (slider.input_value(), slider.get_attribute("max")) == ("0", "3")
    play.click()
    expect(play).to_have_text("pause")
    page.clock.run_for(4500)
    expect(play).to_have_text("play")
    assert slider.input_value() == "3" and "Round 3" in film.locator("figcaption").inner_text()
    film.locator(".cells button").nth(4).click()
    expect(film.locator("figcaption")).to_contain_text("in frame 4 was propagated from frame")
    assert slider.input_value() == "4" and film.locator(".controls").inner_text().count("frame") == 1
    assert "rho_reid 0.50" in opened("06_reidentification").locator(".reel").inner_text()


def check_contents(page):
    """The last section is one click away."""
    link = page.locator(".contents a, main a[href^='#']").last
    link.click()
    expect(page.locator(f"[id='{link.get_attribute('href')[1:]}']")).to_be_in_viewport()


def check_slider(film):
    """From one end to the other by keyboard: another picture, other words, another number."""
    slider = film.get_by_role("slider")
    slider.press("Home")
    first = shown(film)
    slider.press("End")
    last = shown(film)
    assert first["src"] != last["src"] and first["number"] == slider.get_attribute("min")
    assert last["number"] == slider.get_attribute("max") and last["alt"] == last["words"] != ""
    slider.press("ArrowLeft")
    assert int(shown(film)["number"]) == int(last["number"]) - 1


def check_steps(film):
    film.get_by_role("slider").press("Home")
    first = shown(film)
    film.locator(".back").click()
    assert shown(film) == first, "one back from the first"
    film.locator(".on").click()
    assert shown(film)["src"] != first["src"]
    film.locator(".back").click()
    assert shown(film) == first


def shown(film):
    image = film.locator("img")
    return {
        "src": image.get_attribute("src"),
        "alt": image.get_attribute("alt"),
        "words": film.locator("figcaption").inner_text(),
        "number": film.locator("output").inner_text(),
    }
