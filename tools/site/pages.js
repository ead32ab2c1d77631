// Films move: a slider, steps and Play over pictures that are in the page.
"use strict";

for (const figure of document.querySelectorAll("figure.film")) {
  const slider = figure.querySelector("input");
  if (slider) move(figure, slider, JSON.parse(figure.querySelector("script").textContent));
}

function move(figure, slider, reels) {
  const INTERVAL = 1000; // milliseconds between two pictures
  const [picture, words, value, label] = ["img", "figcaption", "output", "label span"].map((name) => figure.querySelector(name));
  const [choice, play] = [".reel", ".play"].map((name) => figure.querySelector(name));
  let timer = null;

  function show(at) {
    const reel = reels[choice ? choice.selectedIndex : 0];
    slider.min = reel.first;
    slider.max = reel.first + reel.pictures.length - 1;
    slider.value = at; // kept between its ends
    label.textContent = reel.control;
    const shown = reel.pictures[slider.valueAsNumber - reel.first];
    picture.src = shown.src;
    picture.alt = words.textContent = shown.words;
    value.textContent = slider.value;
  }
  const step = (by) => show(slider.valueAsNumber + by);
  const atEnd = () => slider.value === slider.max;
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "play";
  }
  function toggle() {
    if (timer !== null) return stop();
    if (atEnd()) show(slider.min);
    play.textContent = "pause";
    timer = setInterval(() => (atEnd() ? stop() : step(1)), INTERVAL);
  }

  slider.addEventListener("input", () => show(slider.valueAsNumber));
  figure.querySelector(".back").addEventListener("click", () => step(-1));
  figure.querySelector(".on").addEventListener("click", () => step(1));
  play.addEventListener("click", toggle);
  if (choice) choice.addEventListener("change", () => show(slider.valueAsNumber));
  for (const cell of figure.querySelectorAll(".cells button")) {
    cell.addEventListener("click", () => {
      choice.selectedIndex = cell.dataset.reel;
      show(cell.dataset.at);
    });
  }
}
