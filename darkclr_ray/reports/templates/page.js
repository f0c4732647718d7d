"use strict";

// Decompress the content of a script element: two characters hold 13 bits of gzip. See darkclr_ray/reports/packing.py.
async function unpack(name) {
  const element = document.getElementById(name);
  const text = element.textContent;
  const bytes = new Uint8Array(Number(element.dataset.size));
  const digit = (at) => { const code = text.charCodeAt(at) - 35; return code > 25 ? code - 1 : code; };
  let value = 0, bits = 0, filled = 0;
  for (let at = 0; at < text.length; at += 2) {
    value = (value << 13) | (91 * digit(at) + digit(at + 1));
    for (bits += 13; bits >= 8; value &= (1 << bits) - 1) {
      bits -= 8;
      bytes[filled++] = value >> bits;
    }
  }
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

const places = [...document.querySelectorAll("div.plot")];
const darkMode = matchMedia("(prefers-color-scheme: dark)");
let printing = false;
let data;

// The figure with the template, and in dark mode the colours, of the page as it is shown now.
function styled(name) {
  const dark = darkMode.matches && !printing;
  const text = data.figures[name];
  const swaps = data.dark_colours;
  const figure = JSON.parse(dark ? text.replace(new RegExp(Object.keys(swaps).join("|").replace(/[()]/g, "\\$&"), "g"),
    (colour) => swaps[colour]) : text);
  figure.layout.template = data.templates[dark ? "dark" : "light"];
  return figure;
}

// Replace plotly's menu, which no keyboard reaches, by one of HTML; its choice is kept when the figure is drawn again.
function menu(place, layout) {
  const buttons = (layout.updatemenus || [])[0]?.buttons;
  delete layout.updatemenus;
  if (!buttons) return () => {};
  const id = place.id + "-menu";
  let select = document.getElementById(id);
  const choose = () => {
    const button = buttons[select.selectedIndex];
    return Plotly[button.method](place, ...structuredClone(button.args));
  };
  if (!select) {
    const label = document.createElement("label");
    select = document.createElement("select");
    select.id = id;
    label.append("Shown: ", select);
    for (const button of buttons) {
      const words = new DOMParser().parseFromString(button.label, "text/html").body.textContent;
      select.append(new Option(words));
    }
    label.className = "menu";
    place.before(label);
  }
  select.onchange = choose;
  return () => select.selectedIndex > 0 ? choose() : undefined;
}

async function draw(place) {
  const figure = styled(place.id);
  const restore = menu(place, figure.layout);
  const options = {
    displaylogo: false,
    displayModeBar: "hover",
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
    toImageButtonOptions: {format: "svg", filename: place.id},
  };
  if (!place.dataset.state) place.replaceChildren();
  place.dataset.state = "drawn";
  await Plotly.react(place, figure.data, figure.layout, options);
  await restore();
}

async function drawAll(chosen) {
  await Promise.all(chosen.map(draw));
  document.documentElement.dataset.drawn = places.filter((place) => place.dataset.state).length;
}

// Figures are drawn when they come near the window, and all of them before the page is printed.
async function showFigures() {
  if (!("DecompressionStream" in window)) {
    for (const place of places) {
      place.textContent = "This browser cannot draw the figure: it needs DecompressionStream, which browsers of 2023 " +
        "and later have. The numbers of the figure are in the CSV file beside the page.";
    }
    return;
  }
  const [plotly, content] = await Promise.all([unpack("plotly"), unpack("content")]);
  data = JSON.parse(content);
  const script = document.createElement("script");
  script.textContent = plotly;
  document.head.append(script);
  const near = new IntersectionObserver((entries) => {
    const seen = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target);
    seen.forEach((place) => near.unobserve(place));
    drawAll(seen.filter((place) => !place.dataset.state));
  }, {rootMargin: "800px 0px"});
  places.forEach((place) => near.observe(place));
  const again = () => drawAll(places.filter((place) => place.dataset.state));
  darkMode.addEventListener("change", again);
  addEventListener("beforeprint", () => { printing = true; drawAll(places); });
  addEventListener("afterprint", () => { printing = false; again(); });
}

// A cell's number, without its errors, or its text; nothing for an empty cell.
function key(row, column) {
  const text = row.cells[column].textContent.trim();
  const number = /^[><≥≤\s]*([+\-−]?[\d,]*\.?\d+(e[+\-]?\d+)?)(?=$|[\s+\-−%(±])/.exec(text);
  if (text === "" || text === "–") return undefined;
  return number ? Number(number[1].replaceAll(",", "").replace("−", "-")) : text;
}

function sortBy(button) {
  const heading = button.closest("th");
  const body = heading.closest("table").tBodies[0];
  const up = heading.getAttribute("aria-sort") === "descending";
  const rows = [...body.rows].map((row) => [key(row, heading.cellIndex), row]);
  rows.sort(([a], [b]) => {
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
    const order = typeof a === "number" && typeof b === "number" ? a - b
      : String(a).localeCompare(String(b), "en", {numeric: true});
    return up ? order : -order;
  });
  body.append(...rows.map(([, row]) => row));
  heading.parentElement.querySelectorAll("[aria-sort]").forEach((one) => one.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", up ? "ascending" : "descending");
}

for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => sortBy(button));
showFigures();
