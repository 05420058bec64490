// In which order a layer's units are shown, and which of them.
"use strict";
{
  Atlas.view = { sort: "number", hide: false };

  // By name: what the choice is called, why, and the measure; the larger measure comes first.
  Atlas.SORTS = {
    number: ["Number", "by unit number", (layer, unit) => -unit],
    strength: ["Strength", "strongest activation first", (layer, unit) => layer.strongest[unit]],
    selectivity: [
      "Selectivity",
      "largest share of one class among the strongest images first",
      (layer, unit) => layer.purity[unit],
    ],
    sparsity: ["Sparsity", "active at the fewest places first", (layer, unit) => -layer.active[unit]],
  };

  Atlas.sortsOffered = () => Object.keys(Atlas.SORTS).filter((key) => key !== "selectivity" || Atlas.index.labelled);

  // Where nothing rectifies, a unit that is never positive still has its strongest score.
  Atlas.silent = (layer, unit) => layer.fired[unit] === 0 && layer.strongest[unit] === 0;

  // Units that never fired have no strength, class or sparsity to speak of: they come last.
  Atlas.ordered = (layer) => {
    const measure = Atlas.SORTS[Atlas.view.sort][2];
    const byNumber = Atlas.view.sort === "number";
    const units = layer.strongest.map((_, unit) => unit);
    const shown = Atlas.view.hide ? units.filter((unit) => !Atlas.silent(layer, unit)) : units;
    const key = new Float64Array(units.length);
    for (const unit of shown) {
      key[unit] = !byNumber && Atlas.silent(layer, unit) ? -Infinity : measure(layer, unit);
    }
    return shown.sort((a, b) => (key[a] === key[b] ? a - b : key[a] < key[b] ? 1 : -1));
  };
}
