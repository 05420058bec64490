// What the page knows, and how it comes to know more: each data file is a script that calls Atlas.receive.
"use strict";
const Atlas = { index: null, images: null, layers: new Map() };
{
  const waiting = new Map(); // of files that are on their way

  Atlas.receive = (kind, content) => {
    if (kind === "index") Atlas.index = content;
    else if (kind === "images") Atlas.images = content;
    else Atlas.layers.set(content.name, content);
  };

  function load(file) {
    if (!waiting.has(file)) {
      const arrived = new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = `data/${encodeURIComponent(file)}.js`;
        script.onload = resolve;
        script.onerror = () => {
          waiting.delete(file);
          reject(new Error(`data/${file}.js is not there or not readable; write the page again`));
        };
        document.head.append(script);
      });
      waiting.set(file, arrived);
    }
    return waiting.get(file);
  }

  // The facts of a layer from the index; undefined where there is no such layer.
  Atlas.facts = (name) => Atlas.index.layers.find((layer) => layer.name === name);

  // A layer with all its units, and the table of images.
  Atlas.layer = async (name) => {
    const waits = [Atlas.images || load("images")];
    if (!Atlas.layers.has(name)) waits.push(load(`layer_${Atlas.facts(name).file}`));
    await Promise.all(waits);
    return Atlas.layers.get(name);
  };

  Atlas.everything = () => Promise.all(Atlas.index.layers.map((layer) => Atlas.layer(layer.name)));

  Atlas.imageName = (image) => Atlas.images.names[image];
  Atlas.imageClass = (image) => Atlas.images.classes[Atlas.images.labels[image]];
  Atlas.className = (label) => Atlas.images.classes[label];

  // A unit's strongest images, each once, but for those in which it did not fire: their tiles are empty.
  Atlas.shown = (layer, unit) => {
    const there = (images, of) => [...new Set(images.filter((_, rank) => layer.activation[of][rank] !== 0))];
    layer.shown ??= layer.image.map(there);
    return layer.shown[unit];
  };

  // How many of them are of each class, by its number; those without a class are left out.
  Atlas.ofClasses = (layer, unit) => {
    const counts = new Map();
    for (const image of Atlas.shown(layer, unit)) {
      const label = Atlas.images.labels[image];
      if (Atlas.className(label)) counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    return counts;
  };
}
