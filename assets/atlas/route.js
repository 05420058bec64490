// Which page the address asks for: #layer, #layer/unit or #?query; and the frame around all of them.
"use strict";
{
  const { make } = Atlas;
  const content = document.getElementById("content");
  const query = document.getElementById("query");
  const scrolled = new Map(); // how far down each list was, by its address
  const REMEMBERED = 100; // addresses
  let trail = []; // those of the entries of the browser's history before this one
  let shown = null; // the address that is shown
  let depth = 0;

  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text; // typed by hand, with a stray percent sign
    }
  }

  Atlas.route = (address = location.hash) => {
    const hash = address.slice(1);
    if (hash.startsWith("?")) return { query: decoded(hash.slice(1)), layer: null, unit: null };
    const [name, unit, ...more] = hash.split("/");
    const layer = Atlas.index.layers.find((facts) => Atlas.whole(facts.name) === decoded(name));
    if (!hash && Atlas.index.layers.length) return { query: null, layer: Atlas.index.layers[0].name, unit: null };
    if (!layer) return { query: null, layer: null, unit: null, lost: decoded(hash) };
    if (unit === undefined) return { query: null, layer: layer.name, unit: null };
    const known = !more.length && /^\d+$/.test(unit) && Number(unit) < layer.units;
    return known
      ? { query: null, layer: layer.name, unit: Number(unit) }
      : { query: null, layer: layer.name, unit: null, lost: decoded(hash) };
  };

  // The way here and the order chosen, kept with the entry of the history: they outlast a reload.
  Atlas.remember = () => {
    try {
      history.replaceState({ trail, ...Atlas.view }, "");
    } catch {
      // some browsers allow only so many a minute: this entry is not kept
    }
  };

  function recall(kept) {
    trail = kept?.trail ?? [];
    if (Atlas.sortsOffered().includes(kept?.sort)) Atlas.view.sort = kept.sort;
    Atlas.view.hide = kept?.hide === true;
  }

  function changed(event) {
    if (event.newURL !== location.href) return; // another change has followed already
    if (history.state?.trail) trail = history.state.trail;
    else trail = [...trail, new URL(event.oldURL).hash].slice(-REMEMBERED);
    Atlas.remember();
    show();
  }

  // From a unit to the list it was opened in, from a search to what was there before: back, not on.
  Atlas.back = () => {
    const { layer, unit, query: asked } = Atlas.route();
    if (unit === null && asked === null) return;
    const fits = (route) => route.lost === undefined && (unit === null ? route.query === null : route.unit === null);
    const at = trail.findLastIndex((address) => fits(Atlas.route(address)));
    if (at >= 0) history.go(at - trail.length);
    else location.hash = unit === null ? "#" : Atlas.layerAddress(layer);
  };

  function lost(text) {
    Atlas.grid = null;
    content.replaceChildren(
      make("header", { class: "title" }, make("h1", {}, "Not in this atlas")),
      make("p", { class: "note" }, `There is no layer or unit “${text}”. The layers are listed beside.`),
    );
  }

  async function show() {
    const hash = location.hash;
    const last = shown;
    const route = Atlas.route();
    const isList = route.unit === null;
    shown = hash;
    depth += 1;
    const mine = depth;
    for (const link of document.querySelectorAll("#layers a")) {
      const here = link.dataset.layer === route.layer;
      if (here) link.setAttribute("aria-current", isList ? "page" : "true");
      else link.removeAttribute("aria-current");
      if (here) link.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    if (route.query === null && document.activeElement !== query) query.value = "";
    else if (document.activeElement !== query) query.value = route.query ?? "";
    try {
      if (route.lost !== undefined) lost(route.lost);
      else if (route.query !== null) await Atlas.showSearch(route.query, content);
      else if (route.unit !== null) await Atlas.showUnit(route.layer, route.unit, content);
      else await Atlas.showLayer(route.layer, content);
    } catch (error) {
      content.replaceChildren(make("p", { class: "note" }, error.message));
    }
    if (mine !== depth) return;
    document.title = title(route);
    scrollTo(0, isList ? scrolled.get(hash) ?? 0 : 0);
    if (isList && last && Atlas.grid && document.activeElement !== query) reopen(last);
    content.dataset.ready = hash || "#";
  }

  // Back in a list, the keyboard is where it was.
  function reopen(address) {
    const at = Atlas.grid.items.findIndex((item) => {
      const [name, unit] = Array.isArray(item) ? [item[0].name, item[1]] : [Atlas.route().layer, item];
      return Atlas.unitAddress(name, unit) === address;
    });
    if (at >= 0) Atlas.grid.focus(at);
  }

  function title(route) {
    const model = Atlas.index.model ?? "atlas";
    if (route.query !== null) return `“${route.query}” · ${model}`;
    if (route.layer === null) return model;
    return `${route.layer}${route.unit === null ? "" : ` ${route.unit}`} · ${model}`;
  }

  function frame() {
    const { model, weights, scanned, skipped, images, command, made_by: made, date, layers } = Atlas.index;
    document.getElementById("model").textContent = model ?? "atlas";
    document.getElementById("layers").replaceChildren(
      ...layers.map((facts) =>
        make(
          "li",
          {},
          make(
            "a",
            { href: Atlas.layerAddress(facts.name), "data-layer": facts.name },
            make("span", { class: "name" }, facts.name),
            make("span", { class: "count" }, facts.units.toLocaleString("en")),
            make("span", { class: "more" }, layerLine(facts)),
          ),
        ),
      ),
    );
    const all = images ?? [];
    const more = all.length > 3 ? ` and ${(all.length - 3).toLocaleString("en")} more` : "";
    const places = all.slice(0, 3).join(", ") + more;
    const left = skipped ? `, ${skipped.toLocaleString("en")} left out` : "";
    const facts = [
      model ? `Model ${model}` : "",
      weights ? `weights ${weights}` : "",
      scanned ? `${scanned.toLocaleString("en")} images${places ? ` of ${places}` : ""}${left}` : "",
      made ?? "",
      date ? String(date).slice(0, 10) : "",
    ];
    document.getElementById("facts").replaceChildren(
      make("p", {}, facts.filter(Boolean).join(" · ")),
      ...(command ? [make("code", {}, command)] : []),
    );
  }

  function layerLine(facts) {
    const parts = [];
    const dense = (size) => size.join("×");
    if (facts.field[0]) parts.push(`sees ${dense(facts.field)}`);
    if (facts.map) parts.push(`map ${dense(facts.map)}`);
    return parts.join(" · ");
  }

  function type() {
    const address = Atlas.searchAddress(query.value);
    if (location.hash.startsWith("#?")) {
      history.replaceState(history.state, "", address);
      show();
    } else location.hash = address;
  }

  if (Atlas.index === null) {
    content.replaceChildren(make("p", { class: "note" }, "data/index.js is not there or not readable; write the page again."));
  } else {
    history.scrollRestoration = "manual";
    frame();
    let later = 0;
    query.addEventListener("input", () => {
      clearTimeout(later);
      later = setTimeout(type, 150);
    });
    document.getElementById("search").addEventListener("submit", (event) => event.preventDefault());
    addEventListener("scroll", () => scrolled.set(shown, scrollY), { passive: true });
    addEventListener("hashchange", changed);
    recall(history.state);
    Atlas.remember();
    show();
  }
}
