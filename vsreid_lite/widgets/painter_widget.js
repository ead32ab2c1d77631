// The painter of painter.js as a widget of anywidget. Everything else is Python's: frames, GrabCut, and what is drawn.

export default {
  async render({ model, el }) {
    const ask = (step, values) => new Promise((done, fail) => {
      const id = String(Math.random());
      const hear = (answer, buffers) => {
        if (answer.id !== id) return;
        model.off("msg:custom", hear);
        return answer.error ? fail(new Error(answer.error)) : done({ ...answer, buffers });
      };
      model.on("msg:custom", hear);
      model.send({ id, step, values });
    });
    const changed = () => {
      const { frames, image } = painter;
      const drawn = Object.entries(frames).filter(([, shapes]) => shapes.length);
      const masks = drawn.map(([at, shapes]) => [at, paintAll(shapes, image)]);
      const wrong = masks.map(([at, mask]) => [`frame ${at}`, trouble(frames[at], mask)]).find((line) => line[1]);
      const runs = masks.map(([at, mask]) => [Number(at), toRuns(mask)]);
      ask("keep", { shapes: frames, runs, trouble: wrong?.join(": ") ?? "" });
    };
    const painter = new Painter(el, {
      ...(await ask("start", {})),
      name: (at) => `frame ${at}`,
      frame: async (at) => createImageBitmap(new Blob((await ask("frame", { at })).buffers)),
      grabCut: async (at, runs) => (await ask("grab_cut", { at, runs })).runs,
      changed,
    });
  },
};
