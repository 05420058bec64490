// Elements, made in code: all text goes in as text, whatever it is.
"use strict";
{
  const SVG = "http://www.w3.org/2000/svg";

  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("--")) element.style.setProperty(name, value);
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  Atlas.make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
  Atlas.draw = (tag, attributes = {}, ...children) =>
    fill(document.createElementNS(SVG, tag), attributes, children);

  // Three significant digits, zeros at the end too, so that columns of them line up.
  Atlas.number = (value) => {
    if (value === null) return "–";
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e6 || size < 1e-3) return value.toExponential(1).replace("-", "−");
    const digits = Math.max(0, 2 - Math.floor(Math.log10(size)));
    return value.toFixed(Math.min(digits, 5)).replace("-", "−");
  };
  Atlas.count = (value, one, many = `${one}s`) => `${value.toLocaleString("en")} ${value === 1 ? one : many}`;
  Atlas.share = (value) => {
    const percent = 100 * value;
    if (percent === 0 || percent === 100) return `${percent} %`;
    if (percent < 0.1) return "< 0.1 %";
    if (percent > 99.9) return "> 99.9 %";
    return `${percent.toFixed(percent < 10 ? 1 : 0)} %`;
  };
  Atlas.size = ([height, width]) => (height === width ? `${height} × ${height}` : `${height} × ${width}`);

  // Half of a surrogate pair, from a file name that is no text, cannot be part of an address.
  const whole = (text) => text.replace(/\p{Surrogate}/gu, "\ufffd");
  Atlas.whole = whole;
  Atlas.layerAddress = (layer) => `#${encodeURIComponent(whole(layer))}`;
  Atlas.unitAddress = (layer, unit) => `${Atlas.layerAddress(layer)}/${unit}`;
  Atlas.searchAddress = (query) => `#?${encodeURIComponent(whole(query))}`;

  Atlas.say = (text) => {
    document.getElementById("said").textContent = text;
  };
}
