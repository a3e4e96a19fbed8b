"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  const keep = (value) => { try { localStorage.setItem("ontogeny-theme", value); } catch { /* no storage: forgotten */ } };
  try { const kept = localStorage.getItem("ontogeny-theme"); if (kept) root.dataset.theme = kept; } catch { /* likewise */ }

  // Figures name colours by role ("@category-0"); each theme says what they are.
  const coloured = (value, table) => {
    if (typeof value === "string") return table[value] || value;
    if (Array.isArray(value)) {
      const numbers = value.length > 2 && typeof value[0] === "number"; // a stop of a colour scale is a pair
      return numbers ? value : value.map((v) => coloured(v, table));
    }
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, coloured(v, table)]));
    }
    return value;
  };

  const holder = document.getElementById("figure-data");
  const figures = holder ? read("figure-data") : [];
  const palettes = holder ? read("palette-data") : {};
  const hidden = figures.map(() => new Set());
  const touch = matchMedia("(pointer: coarse)").matches;

  const draw = () => {
    const font = getComputedStyle(document.body).fontFamily;
    figures.forEach((panels, f) => panels.forEach((panel, p) => {
      const plot = document.getElementById(`plot-${f}-${p}`);
      const { data, layout } = coloured(panel, palettes[theme()]);
      for (const trace of data) trace.visible = !hidden[f].has(trace.legendgroup);
      layout.font.family = font;
      layout.dragmode = touch ? false : "zoom";
      if (plot.layout) for (const axis of ["xaxis", "yaxis"]) layout[axis].range = plot.layout[axis].range;
      Plotly.react(plot, data, layout, { displayModeBar: false, responsive: true, showTips: false });
    }));
  };

  if (figures.length && window.Plotly) {
    root.classList.remove("still");
    draw();
    document.querySelectorAll("a[download]").forEach((link) => {
      link.href = link.closest("figure").querySelector(".still-image").src;
    });
    document.querySelectorAll(".legend button").forEach((button) => button.addEventListener("click", () => {
      const names = hidden[button.dataset.figure], name = button.dataset.name;
      if (!names.delete(name)) names.add(name);
      button.setAttribute("aria-pressed", String(!names.has(name)));
      draw();
    }));
  }
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    keep(root.dataset.theme);
    draw();
  });
  dark.addEventListener("change", draw);
})();
