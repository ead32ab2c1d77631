// Paints masks on the frames of a video: polygons and boxes of several instances, with undo and zoom.
// It knows neither Jupyter nor files: painter_widget.js makes a widget of it, tools/site/painter_page.js a page. Either
// is put behind this text, and the two are one module.
//
// A shape is { label, points, box, open, runs }. Label 0 erases, and later shapes lie over earlier ones. Corners lie on
// the grid between pixels. `box` keeps right angles, `open` is a polygon in work, `runs` is what GrabCut kept of the
// shape. A mask (H * W labels) travels as runs: label, count, label, count, …

const COLOURS = ["#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#D55E00", "#0072B2"]; // as in the figures
const REACH = 9; // CSS pixels: a click that is nearer to a corner takes it
const MOST = 254; // labels; 255 is void
const NEAREST = 32; // CSS pixels of one pixel of the frame, at most
const TALLEST = 0.7; // of the window: the height of the picture
const PARTS = `<div class="tools">
<label>tool <select><option>polygon</option><option>box</option></select></label>
<label title="0 erases">instance <input type="number" min="0" max="${MOST}"></label>
<button data-do="next" title="go on with the next label">next instance</button>
<button data-do="close" title="close the polygon (Enter, or click its first corner)">close</button>
<button data-do="refine" title="leave out of the shape what looks like its surroundings">GrabCut</button>
<button data-do="undo" title="take the last step back (Ctrl+Z)">undo</button>
<button data-do="zoomOut" title="smaller (Ctrl and wheel)">−</button><button data-do="fit" title="all">fit</button>
<button data-do="zoomIn" title="larger (Ctrl and wheel)">+</button>
<label class="frames">frame <input type="range" min="0"><output></output></label></div>
<div class="view" tabindex="0" role="application" aria-label="frame and masks"><div><canvas></canvas></div></div>
<p class="line" role="status"></p>`;

const colourOf = (label) => (label ? COLOURS[(label - 1) % COLOURS.length] : "#000000");
const rectangle = ([x0, y0], [x1, y1]) => [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
const size = (image) => `${image.width} x ${image.height} pixels`;
const TINTS = Array.from({ length: MOST + 1 }, (_, label) => {
  const rgb = parseInt(colourOf(label).slice(1), 16);
  return label && 0x80000000 + ((rgb & 255) << 16) + (rgb & 0xff00) + (rgb >> 16); // as ImageData has it in memory
});
const clamp = (x, least, most) => Math.min(Math.max(x, least), most);

// ---- masks

function paintPolygon(mask, width, points, label) {
  for (let y = 0; y * width < mask.length; y++) {
    const cuts = []; // of the edges with the line through the centres of this row
    points.forEach(([x0, y0], i) => {
      const [x1, y1] = points[(i + 1) % points.length];
      if (y0 <= y !== y1 <= y) cuts.push(x0 + ((y + 0.5 - y0) * (x1 - x0)) / (y1 - y0));
    });
    cuts.sort((a, b) => a - b);
    const pixel = (x) => y * width + Math.ceil(x - 0.5);
    for (let k = 0; k < cuts.length; k += 2) mask.fill(label, pixel(cuts[k]), pixel(cuts[k + 1]));
  }
}

function paintRuns(mask, runs, label) {
  for (let k = 0, at = 0; k < runs.length; k += 2, at += runs[k - 1]) runs[k] && mask.fill(label, at, at + runs[k + 1]);
}

function toRuns(mask) {
  const runs = [];
  for (let start = 0, end; start < mask.length; start = end) {
    for (end = start + 1; mask[end] === mask[start]; end++);
    runs.push(mask[start], end - start);
  }
  return runs;
}

function paintAll(shapes, { width, height }) {
  const mask = new Uint8Array(width * height);
  for (const { open, runs, points, label } of shapes) {
    if (runs) paintRuns(mask, runs, label);
    else if (!open) paintPolygon(mask, width, points, label);
  }
  return mask;
}

// What keeps a mask from being saved, in one line, or nothing.
function trouble(shapes, mask) {
  if (shapes.some((shape) => shape.open)) return "a polygon is open; click its first corner, or press Enter";
  const lost = shapes.find(({ label }) => label && !mask.includes(label));
  if (lost) return `instance ${lost.label} has no pixel; paint it, or undo what painted it over`;
  return mask.some(Boolean) ? "" : "no instance is drawn; click corners around one, or drag a box";
}

// ---- the canvas

// source: `count` frames; `frame(i)`, a promise of frame i as an ImageBitmap; `name(i)`. Where wanted, `changed()` is told,
// `grabCut(i, runs)` is a promise of the runs that stay of a shape, and `shapes` by frames and a `label` are the start.
class Painter {
  constructor(host, source) {
    Object.assign(this, { source, at: 0, frames: structuredClone(source.shapes ?? {}), past: [], zoom: 1, fitted: 1 });
    host.classList.add("vsreid-painter");
    host.dataset.lmSuppressShortcuts = "true"; // keys are not JupyterLab's here
    host.innerHTML = PARTS;
    const names = { tool: "select", label: "[type=number]", slider: "[type=range]", output: "output", line: ".line" };
    Object.assign(names, { view: ".view", sheet: ".view > div", canvas: "canvas", frameBar: ".frames" });
    for (const [name, selector] of Object.entries(names)) this[name] = host.querySelector(selector);
    const { view, canvas, slider } = this;
    Object.assign(slider, { max: source.count - 1, onchange: () => this.act("go", slider.valueAsNumber) });
    this.label.value = source.label ?? 1;
    this.frameBar.hidden = source.count < 2;
    host.querySelector("[data-do=refine]").hidden = !source.grabCut;
    host.onclick = ({ target }) => target.dataset.do && this.act(target.dataset.do);
    for (const name of ["down", "move", "up"]) canvas[`onpointer${name}`] = (event) => this.act(name, event);
    canvas.ondblclick = () => this.open && this.act("close");
    view.onkeydown = ({ key, ctrlKey, metaKey }) =>
      key === "Enter" ? this.act("close") : key === "z" && (ctrlKey || metaKey) && this.act("undo");
    view.onscroll = () => this.draw();
    view.onwheel = (event) => event.ctrlKey && this.act("wheel", event); // the wheel alone scrolls
    new ResizeObserver(() => this.resize()).observe(view);
    this.act("go", 0);
  }

  get shapes() { return (this.frames[this.at] ??= []); }
  get open() { return this.shapes.find((shape) => shape.open); }

  say(words, alert = false) {
    this.line.setAttribute("role", alert ? "alert" : "status");
    this.line.textContent = alert ? `⚠ ${words}` : words;
  }

  // A step of this class; what hinders it is said below the picture.
  async act(step, ...values) {
    try {
      if (this.image || step === "go") await this[step](...values);
    } catch (error) {
      this.say(error.message, true);
    }
  }

  async go(at) {
    try {
      const image = await this.source.frame(at);
      const first = this.image ?? image;
      if (size(image) !== size(first))
        throw new Error(`${this.source.name(at)}: ${size(image)}, expected ${size(first)} as the first frame has`);
      Object.assign(this, { at, image });
      this.pressed ??= [image.width / 2, image.height / 2];
      this.resize();
      this.refresh();
    } finally {
      this.output.value = this.slider.value = this.at;
    }
  }

  // ---- steps, each of which can be undone

  change(edit) {
    this.past.push(JSON.stringify([this.at, this.frames]));
    edit();
    this.refresh();
  }

  undo() {
    if (!this.past.length) throw new Error("undo: nothing has been done yet");
    const [at, frames] = JSON.parse(this.past.pop());
    this.frames = frames;
    return at === this.at ? this.refresh() : this.go(at);
  }

  next() {
    const labels = Object.values(this.frames).flat().map((shape) => shape.label);
    this.label.value = Math.min(Math.max(0, ...labels) + 1, MOST);
  }

  close() {
    const open = this.open;
    if (!open || open.points.length < 3) throw new Error("close: a polygon has at least three corners; click more");
    this.change(() => delete open.open);
  }

  async refine() {
    const shape = this.shapes.includes(this.touched) ? this.touched : this.shapes.at(-1);
    const points = shape?.points;
    if (!shape || shape.open) throw new Error("GrabCut: draw a box or a closed polygon first");
    const runs = await this.source.grabCut(this.at, toRuns(paintAll([{ points, label: 1 }], this.image)));
    if (this.shapes.includes(shape) && shape.points === points) this.change(() => (shape.runs = runs));
  }

  // ---- pointer and keys

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left + this.view.scrollLeft, event.clientY - box.top + this.view.scrollTop];
    const limits = [this.image.width, this.image.height];
    return [x / this.zoom, y / this.zoom].map((value, axis) => clamp(Math.round(value), 0, limits[axis]));
  }

  // Corners of the instance in work alone can be taken: another instance may begin at the same place.
  cornerAt([x, y], label) {
    const shapes = this.open ? [this.open] : this.shapes.filter((shape) => shape.label === label).reverse();
    const corners = shapes.flatMap((shape) => shape.points.map((place, corner) => ({ shape, corner, place })));
    const reach = Math.max(REACH / this.zoom, 0.6); // pixels of the frame
    return corners.find(({ place }) => Math.hypot(place[0] - x, place[1] - y) < reach);
  }

  down(event) {
    if (event.button) return; // the left one alone draws
    this.canvas.setPointerCapture(event.pointerId);
    const place = (this.pressed = this.place(event));
    const label = clamp(Math.round(this.label.valueAsNumber) || 0, 0, MOST);
    const [taken, open] = [this.cornerAt(place, label), this.open];
    if (taken && taken.shape === open && taken.corner === 0 && open.points.length > 2) this.close();
    else if (taken) this.drag = taken;
    else if (open) this.change(() => open.points.push(place));
    else if (this.tool.value === "polygon") this.change(() => this.shapes.push({ label, open: true, points: [place] }));
    else {
      this.change(() => this.shapes.push({ label, box: true, points: rectangle(place, place) }));
      this.drag = { shape: this.shapes.at(-1), corner: 2, moved: true };
    }
    this.touched = taken?.shape ?? this.shapes.at(-1);
  }

  move(event) {
    const place = (this.cursor = this.place(event));
    if (!this.drag) return this.draw();
    const { shape, corner, moved } = this.drag;
    if (String(shape.points[corner]) === String(place)) return;
    if (!moved) this.change(() => {});
    this.drag = { shape, corner: shape.box ? 2 : corner, moved: true };
    const points = shape.box ? rectangle(shape.points[(corner + 2) % 4], place) : shape.points.with(corner, place);
    Object.assign(shape, { points, runs: undefined });
    this.refresh();
  }

  up() {
    const { shape, moved } = this.drag ?? {};
    this.drag = null;
    const empty = shape?.box && shape.points[0].some((x, axis) => x === shape.points[2][axis]);
    if (moved) empty ? this.undo() : this.refresh();
  }

  // ---- zoom and picture

  zoomIn() { this.zoomBy(1.5, this.pressed); }
  zoomOut() { this.zoomBy(1 / 1.5, this.pressed); }
  fit() { this.zoomBy(0, [0, 0]); }
  wheel(event) {
    event.preventDefault();
    this.zoomBy(event.deltaY < 0 ? 1.25 : 0.8, this.cursor);
  }

  // Show larger or smaller; a place of the frame stays where it is.
  zoomBy(factor, [x, y]) {
    const { zoom: before, view, sheet, image } = this;
    const { scrollLeft, scrollTop } = view;
    this.zoom = clamp(before * factor, this.fitted, Math.max(NEAREST, this.fitted));
    sheet.style.width = `${Math.floor(image.width * this.zoom)}px`;
    sheet.style.height = `${Math.floor(image.height * this.zoom)}px`;
    view.scrollTo(scrollLeft + x * (this.zoom - before), scrollTop + y * (this.zoom - before));
    this.draw();
  }

  // The place there is has changed.
  resize() {
    if (!this.image) return;
    const [whole, { width, height }] = [this.zoom === this.fitted, this.image];
    this.fitted = Math.min(this.view.offsetWidth / width, (TALLEST * window.innerHeight) / height) || 1;
    this.view.style.height = `${Math.ceil(height * this.fitted)}px`;
    this.zoomBy(whole ? 0 : 1, [0, 0]);
  }

  refresh() {
    const { width, height } = this.image;
    const [mask, pixels, counts] = [paintAll(this.shapes, this.image), new ImageData(width, height), {}];
    new Uint32Array(pixels.data.buffer).set(Uint32Array.from(mask, (label) => TINTS[label]));
    for (const label of mask) if (label) counts[label] = (counts[label] ?? 0) + 1;
    this.tint = new OffscreenCanvas(width, height);
    this.tint.getContext("2d").putImageData(pixels, 0, 0);
    const there = Object.entries(counts).map(([label, count]) => `instance ${label}: ${count} pixels`);
    this.say(`${this.source.name(this.at)}, ${size(this.image)}. ${there.join(", ") || "No instance so far"}.`);
    this.draw();
    if (!this.drag) this.source.changed?.();
  }

  draw() {
    if (!this.tint) return;
    const { view, canvas, zoom } = this;
    const [ratio, pen] = [window.devicePixelRatio, canvas.getContext("2d")];
    const { clientWidth: width, clientHeight: height } = view;
    Object.assign(canvas, { width: width * ratio, height: height * ratio });
    Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    pen.setTransform(zoom * ratio, 0, 0, zoom * ratio, -view.scrollLeft * ratio, -view.scrollTop * ratio);
    pen.imageSmoothingEnabled = zoom * ratio < 1;
    for (const layer of [this.image, this.tint]) pen.drawImage(layer, 0, 0);
    for (const shape of this.shapes) this.outline(pen, shape);
  }

  outline(pen, { points, label, open }) {
    const [line, dot] = [new Path2D(), 3 / this.zoom];
    for (const place of open && this.cursor ? [...points, this.cursor] : points) line.lineTo(...place);
    if (!open) line.closePath();
    for (const [x, y] of points) line.rect(x - dot, y - dot, 2 * dot, 2 * dot);
    pen.font = `bold ${14 / this.zoom}px sans-serif`;
    const number = [label, points[0][0] + 2 * dot, points[0][1] - 2 * dot];
    for (const [colour, width] of [["#ffffff", 4], [colourOf(label), 1.6]]) {
      Object.assign(pen, { strokeStyle: colour, lineWidth: width / this.zoom });
      pen.stroke(line);
      if (width === 4) pen.strokeText(...number);
    }
    pen.fillText(...number);
  }
}
