// The painter of painter.js as a page: frames come from files that one picks, and masks go into indexed PNGs.

const SOME = 6; // frames from which the rate of a video is measured
const LETTERS = new TextEncoder();

// ---- frames

function fromImages(files) {
  const frame = (i) => createImageBitmap(files[i]).catch(() => {
    throw new Error(`${files[i].name}: no image that this browser can read; choose JPEG, PNG or WebP`);
  });
  return { count: files.length, name: (i) => files[i].name, stem: (i) => files[i].name.replace(/\.\w+$/, ""), frame };
}

async function fromVideo(file) {
  const video = Object.assign(document.createElement("video"), { muted: true, src: URL.createObjectURL(file) });
  const heard = (event) => new Promise((done, fail) => {
    video.addEventListener(event, done, { once: true });
    video.onerror = () => fail(new Error(`${file.name}: no video that this browser can read; choose images of it`));
  });
  await heard("loadeddata");
  const step = await frameTime(video, heard("ended"));
  const seek = async (i) => {
    const there = heard("seeked");
    video.currentTime = (i + 0.5) * step;
    await there;
    return createImageBitmap(video);
  };
  let last = Promise.resolve();
  const frame = (i) => (last = last.then(() => seek(i))); // one at a time
  const stem = (i) => `${file.name.replace(/\.\w+$/, "")}-${String(i).padStart(5, "0")}`;
  return { count: Math.round(video.duration / step), name: (i) => `${file.name}, frame ${i}`, stem, frame };
}

// Seconds from frame to frame: the shortest time between two of the first, played slowly so that none is left out.
async function frameTime(video, ended) {
  const times = [];
  const next = () => new Promise((done) => video.requestVideoFrameCallback((_, { mediaTime }) => done(mediaTime)));
  video.playbackRate = 0.25;
  await video.play();
  for (let time; times.length < SOME && (time = await Promise.race([next(), ended.then(() => null)])) !== null; )
    times.push(time);
  video.pause();
  const steps = times.slice(1).map((time, i) => time - times[i]).filter((step) => step > 0);
  return steps.length ? Math.min(...steps) : video.duration;
}

// ---- an indexed PNG

function chunk(name, data) {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  bytes.set(LETTERS.encode(name), 4);
  bytes.set(data, 8);
  let crc = ~0;
  for (const byte of bytes.subarray(4, -4)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  view.setUint32(0, data.length);
  view.setUint32(data.length + 8, ~crc);
  return bytes;
}

async function indexedPng(mask, { width, height }) {
  const header = new DataView(new ArrayBuffer(13));
  [width, height].forEach((side, i) => header.setUint32(4 * i, side));
  header.setUint16(8, 0x0803); // 8 bits, indexed
  const rows = new Uint8Array((width + 1) * height); // each begins with its filter, 0: none
  for (let y = 0; y < height; y++) rows.set(mask.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const packed = new Response(new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate")));
  const [data, colours] = [await packed.arrayBuffer(), JSON.parse(host.dataset.palette)];
  const chunks = { IHDR: new Uint8Array(header.buffer), PLTE: colours, IDAT: new Uint8Array(data), IEND: [] };
  const signature = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
  return new Blob([signature, ...Object.entries(chunks).map((one) => chunk(...one))], { type: "image/png" });
}

// ---- the page

const [input, save, host] = ["#files", "#save", "#painter"].map((name) => document.querySelector(name));
let painter = null;

input.onchange = async () => {
  const files = [...input.files].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  if (!files.length) return;
  try {
    const video = files.find((file) => file.type.startsWith("video/"));
    painter = new Painter(host, video ? await fromVideo(video) : fromImages(files));
    save.disabled = false;
  } catch (error) {
    host.innerHTML = '<p role="alert"></p>';
    host.firstChild.textContent = `⚠ ${error.message}`;
    save.disabled = true;
  }
};

save.onclick = async () => {
  const { shapes, image, at, source } = painter;
  const mask = image ? paintAll(shapes, image) : new Uint8Array();
  const wrong = trouble(shapes, mask);
  if (wrong) return painter.say(`${source.name(at)}: ${wrong}`, true);
  const name = `${source.stem(at)}-mask.png`;
  const link = Object.assign(document.createElement("a"), { download: name });
  link.href = URL.createObjectURL(await indexedPng(mask, image));
  link.click();
  const later = `of a later frame, --mask FRAME=${name} beside the first`;
  painter.say(`Saved ${name}. Next: vsreid segment INPUT --first-mask ${name} --output DIR; ${later}`);
};
