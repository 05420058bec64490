// Search: a unit by its number, a class, or an image; the results are tiles.
"use strict";
{
  const { make } = Atlas;
  const UNIT = /^(?:(.*?)[\s/#:]+)?(\d+)$/;
  let running = 0;

  const folded = (text) => Atlas.whole(text).toLowerCase();

  // Layers whose name, or a part of it, begins so: conv2 is features.conv2; else those that contain it.
  function called(query) {
    const names = Atlas.index.layers.map((facts) => [facts, folded(facts.name)]);
    const begun = names.filter(([, name]) => name.startsWith(query) || name.includes(`.${query}`));
    const found = begun.length ? begun : names.filter(([, name]) => name.includes(query));
    return found.map(([facts]) => facts);
  }

  // "conv5 12" and "12": that unit, of the layers that are called so.
  function numbered(query) {
    const found = UNIT.exec(query);
    if (!found) return [];
    const [, name, digits] = found;
    const unit = Number(digits);
    return (name ? called(name) : Atlas.index.layers)
      .filter((facts) => unit < facts.units)
      .map((facts) => [Atlas.layers.get(facts.name), unit, null]);
  }

  // Units among whose strongest images are some of this class or name, those with most of them first.
  function showing(query) {
    const inClass = Atlas.images.classes.map((label) => label !== "" && folded(label).includes(query));
    const wanted = Atlas.images.names.map(
      (name, image) => inClass[Atlas.images.labels[image]] || folded(name).includes(query),
    );
    const hits = [];
    for (const { name } of Atlas.index.layers) {
      const layer = Atlas.layers.get(name);
      for (let unit = layer.image.length - 1; unit >= 0; unit -= 1) {
        let count = 0;
        for (const image of Atlas.shown(layer, unit)) count += wanted[image];
        if (count) hits.push([layer, unit, count]);
      }
    }
    return hits.reverse().sort((a, b) => b[2] - a[2]); // of equals the deepest layer first
  }

  function words(layer, unit, count, query) {
    const images = Atlas.shown(layer, unit);
    const classed = images.find((image) => folded(Atlas.imageClass(image)).includes(query));
    const image = images.find((each) => folded(Atlas.imageName(each)).includes(query));
    const what = classed !== undefined ? Atlas.imageClass(classed) : Atlas.imageName(image).split("/").at(-1);
    return `${count} of ${images.length} ${what}`;
  }

  Atlas.showSearch = async (asked, content) => {
    running += 1;
    const mine = running;
    await Atlas.everything();
    if (mine !== running) return;
    const query = folded(asked).trim();
    const named = query ? numbered(query) : [];
    const hits = query ? [...named, ...showing(query)] : [];
    const layers = query ? called(query) : [];
    const total = [
      ...(layers.length ? [Atlas.count(layers.length, "layer")] : []),
      ...(hits.length ? [Atlas.count(hits.length, "unit")] : []),
    ];
    const grid = new Atlas.Grid(
      hits,
      ([layer, unit, count]) =>
        Atlas.unitTile(layer, unit, {
          withLayer: true,
          words: count === null ? null : words(layer, unit, count, query),
        }),
      "Units found",
    );
    const help = "Type a unit (conv5 12, or 12), a class, or part of an image’s name.";
    const none = `Nothing is called “${asked}”: neither a layer or unit, nor a class or image among the strongest of any.`;
    content.replaceChildren(
      make(
        "header",
        { class: "title" },
        make("h1", { class: "asked" }, query ? `“${asked}”` : "Search"),
        make("p", { class: "facts" }, ...(query ? total : [help]).map((part) => make("span", {}, part))),
      ),
      ...(layers.length
        ? [make("p", { class: "note" }, "Layers: ", ...layers.flatMap((l) => [make("a", { href: Atlas.layerAddress(l.name) }, l.name), " "]))]
        : []),
      query && !total.length ? make("p", { class: "note" }, none) : grid.host,
    );
    grid.start();
    Atlas.grid = hits.length ? grid : null;
    Atlas.say(query ? `${total.join(", ") || "nothing"} found` : "");
  };
}
