// A unit's page: its patches beside its projections, each of them in words, and what else the scan found out.
"use strict";
{
  const { make, draw } = Atlas;
  const NOT_FIRED = "did not fire";

  // What an empty tile says; "" where there is something to see.
  function emptiness(layer, unit, rank, problems) {
    if (problems.has(rank)) return problems.get(rank);
    return layer.activation[unit][rank] === 0 ? NOT_FIRED : "";
  }

  function pair(rank, on) {
    for (const part of document.querySelectorAll(`.unit [data-rank]`)) {
      part.classList.toggle("partner", on && Number(part.dataset.rank) === rank);
    }
  }

  function drawing({ rule, scale }) {
    const words = rule && rule !== "deconvnet" ? `by the ${rule} rule` : "what in them made it fire";
    return scale === "each" ? `${words}, each at its own contrast` : words;
  }

  function figures(layer, unit, problems, held) {
    const sprite = Atlas.spriteOf(layer, unit);
    const command = Atlas.renderCommand(layer.name, unit);
    if (!sprite) {
      return make("p", { class: "note empty-unit" }, "Not rendered yet. ", make("code", {}, command), " draws it.");
    }
    const host = make("div", { class: "figures", "--across": sprite.columns });
    const sides = Atlas.cutSprite(sprite, () =>
      host.replaceChildren(make("p", { class: "note" }, "Its picture is gone. ", make("code", {}, command), " draws it again.")),
    );
    const [height, width] = sprite.window;
    const titles = [
      ["Image patches", `${Atlas.size([height, width])} pixels of the input`],
      ["Projections", drawing(Atlas.facts(layer.name))],
    ];
    const count = layer.image[unit].length;
    const grids = sides.map((canvases, side) =>
      make(
        "figure",
        {},
        make("figcaption", {}, titles[side][0], make("span", {}, titles[side][1])),
        make(
          "ol",
          {},
          ...canvases.slice(0, count).map((canvas, rank) => tile(layer, unit, rank, side, canvas, problems, held)),
        ),
      ),
    );
    host.style.setProperty("--aspect", `${sprite.tile[1]} / ${sprite.tile[0]}`);
    host.append(...grids);
    return host;
  }

  function tile(layer, unit, rank, side, canvas, problems, held) {
    const image = layer.image[unit][rank];
    const value = Atlas.number(layer.activation[unit][rank]);
    const label = Atlas.imageClass(image);
    const name = label || Atlas.imageName(image).split("/").at(-1);
    const empty = emptiness(layer, unit, rank, problems);
    const what = side ? "projection" : "image patch";
    const picture = empty
      ? make("span", { class: "nothing" }, empty.split(":")[0])
      : canvas;
    if (!empty) {
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${what} ${rank + 1}, ${name}, activation ${value}`);
    }
    return make(
      "li",
      {
        "data-rank": rank,
        onmouseenter: () => held.rank === null && pair(rank, true),
        onmouseleave: () => held.rank === null && pair(rank, false),
      },
      make(
        "button",
        { type: "button", title: [Atlas.imageName(image), empty].filter(Boolean).join("\n"), onclick: () => held.toggle(rank), onfocus: () => held.rank === null && pair(rank, true), onblur: () => held.rank === null && pair(rank, false) },
        picture,
      ),
      side
        ? make("span", { class: "under value" }, value)
        : make("span", { class: "under" }, make("b", {}, rank + 1), ` ${name}`),
    );
  }

  // Where on the network's input a window lies.
  function map([top, left, height, width], side) {
    return draw(
      "svg",
      { viewBox: `0 0 ${side} ${side}`, class: "whereabouts", "aria-hidden": "true" },
      draw("rect", { width: side, height: side, class: "whole" }),
      draw("rect", { x: left, y: top, width, height, class: "part" }),
    );
  }

  function table(layer, unit, problems, held) {
    const labelled = Atlas.index.labelled;
    const side = Atlas.index.input_size;
    const rows = layer.image[unit].map((image, rank) => {
      const [row, column] = layer.place[unit][rank];
      const window = layer.window[unit][rank];
      const empty = emptiness(layer, unit, rank, problems);
      const label = Atlas.imageClass(image);
      const name = Atlas.imageName(image);
      const silent = empty === NOT_FIRED;
      const where = row === null ? "whole image" : `row ${row}, column ${column}`;
      return make(
        "tr",
        {
          "data-rank": rank,
          onmouseenter: () => held.rank === null && pair(rank, true),
          onmouseleave: () => held.rank === null && pair(rank, false),
        },
        make("th", { scope: "row" }, rank + 1),
        make("td", { class: "value" }, Atlas.number(layer.activation[unit][rank]), silent ? make("em", {}, empty) : null),
        labelled ? make("td", {}, make("a", { href: Atlas.searchAddress(label), title: "other units that show this class" }, label)) : null,
        make("td", { class: "name" }, make("a", { href: Atlas.searchAddress(name), title: "other units that show this image" }, name), empty && !silent ? make("em", {}, empty) : null),
        make("td", { class: "where" }, side ? map(window, side) : null, make("span", {}, where)),
      );
    });
    const heads = ["", "activation", ...(labelled ? ["class"] : []), "image", "place"];
    return make(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "The strongest activations in words" },
      make(
        "table",
        {},
        make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
        make("tbody", {}, ...rows),
      ),
    );
  }

  function classes(layer, unit) {
    const counts = [...Atlas.ofClasses(layer, unit)].map(([label, count]) => [Atlas.className(label), count]);
    const sorted = counts.sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
    if (!sorted.length) return null;
    return make(
      "section",
      {},
      make("h2", {}, "Classes of its strongest images"),
      make(
        "ul",
        { class: "classes", "--of": Atlas.shown(layer, unit).length },
        ...sorted.map(([label, count]) =>
          make(
            "li",
            { "--count": count },
            make("a", { href: Atlas.searchAddress(label) }, label),
            make("span", { class: "value" }, count),
          ),
        ),
      ),
    );
  }

  function numbers(layer, unit) {
    const silent = Atlas.silent(layer, unit);
    const facts = [
      ["strongest", Atlas.number(layer.strongest[unit])],
      ["mean", Atlas.number(layer.mean[unit])],
      ["fires in", layer.fired[unit] === 0 ? "no image" : `${Atlas.share(layer.fired[unit])} of images`],
      ["is active at", layer.active[unit] === 0 ? "no place" : `${Atlas.share(layer.active[unit])} of places`],
    ];
    if (layer.scale[unit] !== null && !silent && Atlas.facts(layer.name).scale !== "each") facts.push(["full contrast at", `± ${Atlas.number(layer.scale[unit])}`]);
    return make("dl", { class: "numbers" }, ...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  }

  Atlas.neighbours = (layer, unit) => {
    const order = Atlas.ordered(layer);
    const at = order.indexOf(unit);
    return at < 0 ? [unit - 1, unit + 1].map((u) => (layer.strongest[u] === undefined ? null : u)) : [order[at - 1] ?? null, order[at + 1] ?? null];
  };

  function steps(layer, unit) {
    const [before, after] = Atlas.neighbours(layer, unit);
    const step = (to, words, sign, rel) =>
      to === null
        ? make("span", { class: "step", "aria-hidden": "true" }, sign)
        : make("a", { class: "step", rel, href: Atlas.unitAddress(layer.name, to), "aria-label": `${words} unit, ${to}`, title: `${words} unit ${Atlas.SORTS[Atlas.view.sort][1]}` },
            rel === "prev" ? `${sign} ${to}` : `${to} ${sign}`);
    return make("nav", { class: "steps", "aria-label": "Neighbours" }, step(before, "previous", "←", "prev"), step(after, "next", "→", "next"));
  }

  Atlas.showUnit = async (name, unit, content) => {
    const facts = Atlas.facts(name);
    const layer = await Atlas.layer(name);
    const problems = new Map(layer.problems.filter(([channel]) => channel === unit).map(([, rank, why]) => [rank, why]));
    const held = {
      rank: null,
      toggle(rank) {
        const same = held.rank === rank;
        if (held.rank !== null) pair(held.rank, false);
        held.rank = same ? null : rank;
        pair(rank, !same);
      },
    };
    Atlas.grid = null;
    const silent = Atlas.silent(layer, unit);
    content.replaceChildren(
      make(
        "article",
        { class: "unit" },
        make(
          "header",
          { class: "title" },
          make("h1", {}, make("a", { href: Atlas.layerAddress(name) }, name), " ", make("span", { class: "channel" }, unit)),
          steps(layer, unit),
          make("p", { class: "facts" }, ...Atlas.describe(facts).slice(1).map((part) => make("span", {}, part))),
        ),
        silent ? make("p", { class: "note" }, "This unit never fired in the images scanned: there is nothing to project.") : null,
        figures(layer, unit, problems, held),
        make(
          "section",
          { class: "knowledge" },
          make("section", {}, make("h2", {}, "How strongly it answers"), numbers(layer, unit), Atlas.histogram(layer.histogram[unit], layer.activation[unit])),
          classes(layer, unit),
        ),
        make("section", { class: "words" }, make("h2", {}, "The images"), table(layer, unit, problems, held)),
      ),
    );
    Atlas.say(`${name} unit ${unit}`);
  };
}
