// The keyboard; everything it does can be done by mouse as well.
"use strict";
{
  const query = document.getElementById("query");
  const keys = document.getElementById("keys");
  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  function neighbourLayer(by) {
    const names = Atlas.index.layers.map((layer) => layer.name);
    const at = names.indexOf(Atlas.route().layer);
    const to = names[(at + by + names.length) % names.length];
    if (to !== undefined) location.hash = Atlas.layerAddress(to);
  }

  function arrow(event) {
    const [columns, rows] = STEPS[event.key];
    if (Atlas.grid) {
      Atlas.grid.move(columns, rows);
      event.preventDefault();
    } else if (columns && Atlas.route().unit !== null) {
      document.querySelector(`.steps [rel=${columns < 0 ? "prev" : "next"}]`)?.click();
      event.preventDefault();
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
    const typing = event.target === query;
    if (typing) {
      if (event.key === "Escape") {
        event.preventDefault();
        query.blur();
        Atlas.back();
      } else if (event.key === "ArrowDown" || event.key === "Enter") {
        event.preventDefault();
        Atlas.grid?.focus(0);
      }
      return;
    }
    if (event.target.matches("input[type=radio]") && event.key in STEPS) return; // they choose among themselves
    if (event.target.matches(".scroll") && event.key in STEPS) return;
    if (event.key in STEPS) arrow(event);
    else if (event.key === "/") {
      event.preventDefault();
      query.focus();
      query.select();
    } else if (event.key === "?") keys.showModal();
    else if (event.key === "Escape") Atlas.back();
    else if (event.key === "[") neighbourLayer(-1);
    else if (event.key === "]") neighbourLayer(1);
  });
  document.getElementById("help").addEventListener("click", () => keys.showModal());
}
