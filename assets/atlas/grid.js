// Ten thousand tiles: rows of them in chunks of known height, filled as they come near the view.
"use strict";
{
  const ROWS = 6; // of a chunk
  const AHEAD = "1200px 0px";
  const ALL = 3000; // so many tiles are printed
  let live = null;

  // items: of any kind; tile(item, i): an element with a link in it.
  Atlas.Grid = class {
    constructor(items, tile, label) {
      this.items = items;
      this.tile = tile;
      this.host = Atlas.make("div", { class: "grid", role: "group", "aria-label": label });
      this.seen = new IntersectionObserver(
        (changes) => {
          for (const change of changes) {
            if (change.isIntersecting) this.fill(change.target);
            else if (!change.target.contains(document.activeElement)) change.target.replaceChildren();
          }
        },
        { rootMargin: AHEAD },
      );
      this.resized = new ResizeObserver(() => this.layout());
    }

    // Once its host is in the page.
    start() {
      live?.stop();
      live = this;
      this.layout();
      this.resized.observe(this.host);
    }

    stop() {
      this.seen.disconnect();
      this.resized.disconnect();
      if (live === this) live = null;
    }

    layout() {
      const width = this.host.clientWidth;
      if (!width || width === this.width) return;
      this.width = width;
      const style = getComputedStyle(this.host);
      const [least, gap, inner, rest] = ["--least", "--gap", "--inner", "--rest"].map((name) =>
        parseFloat(style.getPropertyValue(name)),
      );
      this.columns = Math.max(2, Math.floor((width + gap) / (least + gap)));
      const mosaic = Math.floor(((width + gap) / this.columns - gap - inner) / 2);
      this.host.style.setProperty("--columns", this.columns);
      this.host.style.setProperty("--m", `${mosaic}px`);
      this.seen.disconnect();
      const each = this.columns * ROWS;
      const chunks = [];
      for (let first = 0; first < this.items.length; first += each) {
        const rows = Math.ceil(Math.min(each, this.items.length - first) / this.columns);
        const chunk = Atlas.make("ul", { class: "chunk", "--height": `${rows * (mosaic + rest)}px` });
        chunk.first = first;
        chunks.push(chunk);
      }
      this.chunks = chunks;
      this.host.replaceChildren(...chunks);
      for (const chunk of chunks) this.seen.observe(chunk);
    }

    fill(chunk) {
      if (chunk.childElementCount) return;
      const tiles = [];
      const end = Math.min(chunk.first + this.columns * ROWS, this.items.length);
      for (let i = chunk.first; i < end; i += 1) {
        const place = { "aria-posinset": i + 1, "aria-setsize": this.items.length };
        const link = this.tile(this.items[i], i);
        link.dataset.at = i;
        tiles.push(Atlas.make("li", place, link));
      }
      chunk.append(...tiles);
    }

    // The tile that has the keyboard, or -1.
    get at() {
      const tile = document.activeElement?.closest?.("[data-at]");
      return tile && this.host.contains(tile) ? Number(tile.dataset.at) : -1;
    }

    link(i) {
      const chunk = this.chunks[Math.floor(i / (this.columns * ROWS))];
      if (!chunk) return null;
      this.fill(chunk);
      return chunk.querySelector(`[data-at="${i}"]`);
    }

    focus(i, how = "nearest") {
      const link = this.link(i);
      link?.focus({ preventScroll: true });
      link?.scrollIntoView({ block: how });
    }

    move(columns, rows) {
      const at = this.at;
      if (at < 0) return this.focus(this.firstVisible());
      const to = at + columns + rows * this.columns;
      if (to >= 0 && to < this.items.length) this.focus(to);
    }

    firstVisible() {
      const top = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;
      for (const link of this.host.querySelectorAll("[data-at]")) {
        if (link.getBoundingClientRect().top >= top) return Number(link.dataset.at);
      }
      return 0;
    }
  };

  addEventListener("beforeprint", () => {
    if (!live) return;
    live.seen.disconnect(); // on paper chunks have no place of their own, so none would be near the view
    live.resized.disconnect();
    if (live.items.length <= ALL) for (const chunk of live.chunks) live.fill(chunk);
  });
  addEventListener("afterprint", () => {
    if (!live) return;
    for (const chunk of live.chunks) live.seen.observe(chunk);
    live.resized.observe(live.host);
  });
}
