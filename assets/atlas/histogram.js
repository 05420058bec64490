// How strong a unit's largest activation was, image by image: four bins an octave, silence told apart.
"use strict";
{
  const { draw } = Atlas;
  const WIDTH = 380;
  const HEIGHT = 150;
  const TOP = 16;
  const BASE = 112;
  const LABEL = 34; // the width of a label
  const APART = 24; // between silence and the rest

  // Binned counts to blocks of neighbouring bins: below zero, silence, above zero.
  function blocks(trimmed, edges) {
    const silence = edges.indexOf(0);
    const [first, ...counts] = trimmed;
    const bins = counts.map((count, i) => ({ bin: first + i, count }));
    const used = (part) => {
      const there = part.filter((b) => b.count);
      return there.length ? part.slice(part.indexOf(there[0]), part.indexOf(there.at(-1)) + 1) : [];
    };
    return [
      used(bins.filter((b) => b.bin < silence)),
      used(bins.filter((b) => b.bin === silence)),
      used(bins.filter((b) => b.bin > silence)),
    ].map((block, i) => ({ bins: block, silence: i === 1 }));
  }

  const power = (value) => {
    const octave = Math.log2(Math.abs(value));
    return Math.abs(octave - Math.round(octave)) < 1e-4;
  };
  const short = (value) => String(Number(value.toPrecision(3))).replace("-", "−");
  const said = (edge) => (edge === undefined ? "" : short(edge));
  const between = (edges, bin) => {
    if (bin === 0) return `up to ${said(edges[0])}`;
    if (bin === edges.length) return `above ${said(edges[bin - 1])}`;
    return `${said(edges[bin - 1])} to ${said(edges[bin])}`;
  };

  Atlas.histogram = (trimmed, shown) => {
    const edges = Atlas.index.edges;
    const parts = blocks(trimmed, edges).filter((block) => block.bins.length);
    const total = trimmed.slice(1).reduce((sum, count) => sum + count, 0);
    const most = Math.max(1, ...trimmed.slice(1));
    const slots = parts.reduce((sum, block) => sum + (block.silence ? 2 : block.bins.length), 0);
    const step = Math.min(26, (WIDTH - 2 - APART * (parts.length - 1)) / Math.max(slots, 1));
    const art = [];
    let x = 1;
    for (const block of parts) {
      const begin = x;
      const ticks = [];
      for (const { bin, count } of block.bins) {
        const wide = block.silence ? 2 * step : step;
        const high = count ? Math.max(1, ((BASE - TOP) * count) / most) : 0;
        const words = block.silence ? "silent (0)" : between(edges, bin);
        art.push(
          draw(
            "rect",
            { x: x + 0.5, y: BASE - high, width: Math.max(wide - 1, 0.5), height: high, class: block.silence ? "silence" : "images" },
            draw("title", {}, `${words}: ${Atlas.count(count, "image")}`),
          ),
        );
        if (!block.silence && bin < edges.length && power(edges[bin])) {
          ticks.push([x + wide, edges[bin]]);
        }
        if (!block.silence && bin === block.bins[0].bin && power(edges[bin - 1] ?? 0.3) && edges[bin - 1] !== 0) {
          ticks.push([x, edges[bin - 1]]);
        }
        x += wide;
      }
      art.push(...labelled(ticks));
      if (block.silence) art.push(draw("text", { x: (begin + x) / 2, y: BASE + 17, "text-anchor": "middle" }, "0"));
      art.push(draw("line", { x1: begin, x2: x, y1: BASE + 0.5, y2: BASE + 0.5, class: "axis" }));
      const weakest = shown.at(-1);
      if (!block.silence && edges[block.bins[0].bin] > 0 && weakest > 0) art.push(...bracket(block, begin, step, shown));
      x += APART;
    }
    art.push(draw("text", { x: 1, y: 10 }, Atlas.count(most, "image")));
    art.push(draw("text", { x: WIDTH / 2, y: HEIGHT - 3, "text-anchor": "middle", class: "name" }, "largest activation in an image"));
    const label = `Histogram of the largest activation in each of ${Atlas.count(total, "image")}`;
    return draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "histogram", role: "img", "aria-label": label }, ...art);
  };

  // As many of the powers of two as have room, the largest among them.
  function labelled(ticks) {
    const room = ticks.length > 1 ? Math.abs(ticks.at(-1)[0] - ticks.at(-2)[0]) : WIDTH;
    const every = Math.ceil(LABEL / Math.max(room, 1));
    ticks.sort(([a], [b]) => b - a);
    return ticks.filter((_, i) => i % every === 0).flatMap(([x, edge]) => tick(x, short(edge)));
  }

  function tick(x, text) {
    return [
      draw("line", { x1: x, x2: x, y1: BASE, y2: BASE + 4, class: "axis" }),
      draw("text", { x, y: BASE + 17, "text-anchor": "middle" }, text),
    ];
  }

  // Where the images lie that are shown above.
  function bracket(block, begin, step, shown) {
    const edges = Atlas.index.edges;
    const at = (value) => begin + step * (4 * Math.log2(value / edges[block.bins[0].bin]) + 1);
    const [left, right] = [at(shown.at(-1)), at(shown[0])].map((x) => Math.max(begin, x));
    return [
      draw("line", { x1: left, x2: Math.max(right, left + 2), y1: BASE + 0.5, y2: BASE + 0.5, class: "shown" },
        draw("title", {}, "the images shown")),
    ];
  }
}
