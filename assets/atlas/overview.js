// A layer: what it is, and a tile for each of its units.
"use strict";
{
  const { make } = Atlas;

  function commonest(layer, unit) {
    if (Atlas.silent(layer, unit)) return "never fired";
    const label = Atlas.className(layer.label[unit]);
    if (!label) return "";
    const classes = Atlas.ofClasses(layer, unit);
    const of = classes.get(layer.label[unit]) ?? 0;
    if (of === 1 && classes.size > 1) return `${classes.size} classes`;
    return `${of} of ${Atlas.shown(layer, unit).length} ${label}`;
  }

  // A unit as a tile; words: what its second line says, instead of its commonest class.
  Atlas.unitTile = (layer, unit, { words = null, withLayer = false } = {}) => {
    const silent = Atlas.silent(layer, unit);
    const line = words ?? commonest(layer, unit);
    const name = withLayer ? `${layer.name} ${unit}` : String(unit);
    const strongest = silent ? "" : Atlas.number(layer.strongest[unit]);
    return make(
      "a",
      {
        class: silent ? "tile silent" : "tile",
        href: Atlas.unitAddress(layer.name, unit),
        "aria-label": `${layer.name} unit ${unit}${strongest && `, strongest ${strongest}`}${line && `, ${line}`}`,
      },
      Atlas.mosaics(layer, unit),
      make("span", { class: "caption" }, make("b", {}, name), make("span", { class: "value" }, strongest)),
      make("span", { class: "line", title: line || null }, line),
    );
  };

  function sorts(redraw) {
    return make(
      "fieldset",
      { class: "sorts" },
      make("legend", {}, "Sort by"),
      ...Atlas.sortsOffered().map((key) =>
        make(
          "label",
          { title: Atlas.SORTS[key][1] },
          make("input", {
            type: "radio",
            name: "sort",
            value: key,
            checked: Atlas.view.sort === key,
            onchange: () => {
              Atlas.view.sort = key;
              Atlas.remember();
              redraw();
            },
          }),
          make("span", {}, Atlas.SORTS[key][0]),
        ),
      ),
    );
  }

  function filter(layer, silent, redraw) {
    if (!silent) return null;
    const box = make("input", {
      type: "checkbox",
      id: "hide",
      checked: Atlas.view.hide,
      onchange: () => {
        Atlas.view.hide = box.checked;
        Atlas.remember();
        redraw();
      },
    });
    return make("label", { class: "hide" }, box, ` hide ${silent.toLocaleString("en")} that never fired`);
  }

  Atlas.describe = (facts) => {
    const input = Atlas.index.input_size;
    const whole = input && facts.field[0] >= input && facts.field[1] >= input;
    const parts = [Atlas.count(facts.units, "unit")];
    if (facts.field[0]) {
      const seen = `sees ${Atlas.size(facts.field)}`;
      parts.push(whole ? "sees the whole image" : input ? `${seen} of ${input} × ${input} pixels` : `${seen} pixels`);
    }
    if (facts.map) parts.push(`maps of ${Atlas.size(facts.map)}`);
    if (facts.path !== facts.name) parts.push(facts.path);
    return parts;
  };

  Atlas.showLayer = async (name, content) => {
    const facts = Atlas.facts(name);
    const layer = await Atlas.layer(name);
    const silent = layer.fired.filter((_, unit) => Atlas.silent(layer, unit)).length;
    const place = make("div", {});
    let grid = null;
    const redraw = () => {
      const units = Atlas.ordered(layer);
      grid?.stop();
      grid = new Atlas.Grid(units, (unit) => Atlas.unitTile(layer, unit), `Units of ${name}`);
      place.replaceChildren(grid.host);
      grid.start();
      Atlas.grid = grid;
      Atlas.say(`${Atlas.count(units.length, "unit")}, ${Atlas.SORTS[Atlas.view.sort][1]}`);
    };
    const missing = facts.units - facts.rendered;
    content.replaceChildren(
      make(
        "header",
        { class: "title" },
        make("h1", {}, name),
        make("p", { class: "facts" }, ...Atlas.describe(facts).map((part) => make("span", {}, part))),
      ),
      make("div", { class: "controls" }, sorts(redraw), filter(layer, silent, redraw)),
      ...(missing > 0
        ? [make("p", { class: "note" }, `${Atlas.count(missing, "unit has", "units have")} no pictures yet: `, make("code", {}, Atlas.renderCommand(name)))]
        : []),
      place,
    );
    redraw();
  };

  const quoted = (word) => (/^[\w./-]+$/.test(word) ? word : `"${word.replace(/(["\\$`])/g, "\\$1")}"`);
  Atlas.renderCommand = (layer, unit = null) =>
    `deconvviz atlas render ATLAS --layer ${quoted(layer)}${unit === null ? "" : ` --units ${unit}`}`;
}
