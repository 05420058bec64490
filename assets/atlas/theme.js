// Light, dark, or as the system has it; remembered where the browser lets a page from the disk remember.
"use strict";
{
  const KEY = "deconvviz-atlas-theme";
  const NAMES = { "": "as the system", light: "light", dark: "dark" };
  const SIGNS = { "": "◐", light: "○", dark: "●" };
  let theme = "";
  try {
    theme = localStorage.getItem(KEY) || "";
  } catch {
    theme = ""; // storage is forbidden here: the choice lasts as long as the page
  }

  function show() {
    if (theme in NAMES && theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    const button = document.getElementById("theme");
    if (!button) return;
    button.textContent = SIGNS[theme] || SIGNS[""];
    button.title = `Colours: ${NAMES[theme] || NAMES[""]}`;
    button.setAttribute("aria-label", button.title);
  }

  function next() {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const turns = dark ? ["", "light", "dark"] : ["", "dark", "light"];
    theme = turns[(turns.indexOf(theme) + 1) % turns.length];
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // as above
    }
    show();
  }

  show();
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", next);
    show();
  });
}
