"use strict";

// Tables: a heading sorts its column, once more the other way, and then as it was.
(() => {
  const collator = new Intl.Collator("en", { numeric: true });

  // The first number of a text: 80.2 of "80.2 ± 6.2"; NaN where there is none.
  const number = (text) => parseFloat(text.replaceAll("−", "-").match(/[+-]?\d[\d.]*/));
  const compare = (column, isText, sign) => (one, other) => {
    const [a, b] = [one.cells[column].textContent, other.cells[column].textContent];
    if (isText) return sign * collator.compare(a, b);
    const [x, y] = [number(a), number(b)];
    // What has no number stays below, whichever way.
    if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
    return sign * (x - y);
  };

  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const isText = heading.classList.contains("text");
      const orders = isText ? ["ascending", "descending"] : ["descending", "ascending"];
      heading.firstElementChild.addEventListener("click", () => {
        const next = orders[orders.indexOf(heading.getAttribute("aria-sort")) + 1] ?? "none";
        for (const other of headings) other.setAttribute("aria-sort", "none");
        heading.setAttribute("aria-sort", next);
        const sign = next === "ascending" ? 1 : -1;
        const rows =
          next === "none" ? original : [...original].sort(compare(column, isText, sign));
        body.replaceChildren(...rows);
        table.classList.toggle("sorted", next !== "none");
      });
    });
  }
})();

// Figures: drawn in the colours of the page, and anew when these change or it is printed.
(() => {
  const stored = JSON.parse(document.getElementById("figures-data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const print = matchMedia("print");
  const slim = matchMedia("(max-width: 40rem)");
  const touch = matchMedia("(pointer: coarse)");
  const places = [...document.querySelectorAll("[data-figure]")];
  const config = { displayModeBar: false, responsive: true };
  const family = getComputedStyle(document.body).getPropertyValue("--sans");
  const printedWidth = 640; // fits the text of A4 and of letter paper
  let printing = print.matches;

  const draw = (place) => {
    const figure = structuredClone(stored.figures[place.dataset.figure]);
    const { data } = figure;
    // Panels stand one below the other where there is no room beside.
    const layout = (slim.matches && !printing && figure.narrow) || figure.layout;
    place.style.height = `${layout.height}px`;
    layout.template = stored.templates[dark.matches && !printing ? "dark" : "light"];
    layout.template.layout.font.family = family;
    if (printing) layout.width = printedWidth;
    if (touch.matches) layout.dragmode = false; // a finger scrolls the page
    return Plotly.react(place, data, layout, config);
  };
  const drawAll = () => Promise.all(places.map(draw));
  const redraw = (forPrint) => {
    printing = forPrint;
    return drawAll();
  };

  dark.addEventListener("change", drawAll);
  slim.addEventListener("change", drawAll);
  print.addEventListener("change", (event) => redraw(event.matches));
  addEventListener("beforeprint", () => redraw(true));
  addEventListener("afterprint", () => redraw(false));

  // One after the other, so that the page can be read and scrolled meanwhile.
  const one = async () => {
    for (const place of places) {
      await draw(place);
      await new Promise((resolve) => setTimeout(resolve));
    }
    document.documentElement.dataset.drawn = String(places.length);
  };
  one();
})();
