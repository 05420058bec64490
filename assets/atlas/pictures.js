// Pictures of units, cut from files that hold many: overview sheets, and a unit's own sprite.
"use strict";
{
  const folder = (name) => `${Atlas.index.sprites}/${encodeURIComponent(Atlas.facts(name).file)}`;
  const padded = (number) => String(number).padStart(4, "0");

  // A unit's two small mosaics, patches and projections.
  Atlas.mosaics = (layer, unit) => {
    const { units, columns } = Atlas.index.overview;
    if (layer.shape[unit] < 0) return Atlas.make("span", { class: "pair empty" }, "not rendered yet");
    const file = `${folder(layer.name)}/overview-${padded(Math.floor(unit / units))}.jpg`;
    const along = Math.min(3, Math.ceil(Math.sqrt(layer.shapes[layer.shape[unit]][0])));
    const place = unit % units;
    const half = (side) => {
      const mosaic = Atlas.make("span", {
        class: "mosaic",
        "data-along": along,
        "--x": 2 * (place % columns) + side,
        "--y": Math.floor(place / columns),
        "--wide": 2 * columns,
      });
      mosaic.style.backgroundImage = `url("${file}")`;
      return mosaic;
    };
    return Atlas.make("span", { class: "pair", "aria-hidden": "true" }, half(0), half(1));
  };

  Atlas.spriteOf = (layer, unit) => {
    const shape = layer.shapes[layer.shape[unit]];
    if (!shape) return null;
    const [count, columns, height, width, cellHeight, cellWidth, seenHeight, seenWidth, suffix] = shape;
    return {
      file: `${folder(layer.name)}/${padded(unit)}${suffix}`,
      count,
      columns,
      tile: [height, width],
      window: [seenHeight, seenWidth],
      small: suffix === ".png",
      corner: (rank, side) => [
        Math.floor(rank / columns) * cellHeight,
        ((rank % columns) + side * columns) * cellWidth,
      ],
    };
  };

  // One canvas for each patch (side 0) or projection (side 1) of a sprite; they fill once the file is there.
  Atlas.cutSprite = (sprite, missing) => {
    const [height, width] = sprite.tile;
    const image = new Image();
    const canvases = [0, 1].map((side) =>
      Array.from({ length: sprite.count }, (_, rank) => {
        const canvas = Atlas.make("canvas", { width, height, class: sprite.small ? "pixels" : "" });
        image.addEventListener("load", () => {
          const [top, left] = sprite.corner(rank, side);
          canvas.getContext("2d").drawImage(image, left, top, width, height, 0, 0, width, height);
          canvas.dataset.drawn = "";
        });
        return canvas;
      }),
    );
    image.addEventListener("error", missing);
    image.src = sprite.file;
    return canvases;
  };
}
