// Where the model looked: attention laid over the picture, layer by layer, without and with a method, and the difference.
import { element, fill, load } from "./common.js";
import { drawn } from "./stage.js";

// A difference below this part of the strongest attention is never drawn at full strength.
const LEAST = 20;
const MORE = [214, 96, 0], LESS = [0, 110, 214];

function unpacked(map) {
  const bytes = Uint8Array.from(atob(map.data), (c) => c.charCodeAt(0)), cells = map.shape[1] * map.shape[2];
  const at = (layer) => Array.from({ length: cells }, (_, n) => ((bytes[2 * (layer * cells + n)] + 256 * bytes[2 * (layer * cells + n) + 1]) * map.most) / 65535);
  return { ...map, at };
}

const mapsOf = async (slug, i) => (await load(`data/runs/${slug}/maps/${i}.json`)).map(unpacked);

// How much of each cell lies in a box, by 16 points of it.
function covered(map, boxes) {
  const [, rows, columns] = map.shape, [x0, y0, x1, y1] = map.box;
  return Array.from({ length: rows * columns }, (_, n) => {
    let inside = 0;
    for (let k = 0; k < 16; k += 1) {
      const x = x0 + ((x1 - x0) * ((n % columns) + ((k % 4) + 0.5) / 4)) / columns;
      const y = y0 + ((y1 - y0) * (Math.floor(n / columns) + (Math.floor(k / 4) + 0.5) / 4)) / rows;
      inside += boxes.some(([a, b, c, d]) => x >= a && x <= c && y >= b && y <= d) ? 1 : 0;
    }
    return inside / 16;
  });
}

const percent = (v) => `${(100 * v).toFixed(v < 0.1 ? 1 : 0)} %`;
const signed = (v) => `${v < 0 ? "−" : "+"}${Math.abs(v).toPrecision(2)}`;
const total = (values) => values.reduce((a, b) => a + b, 0);

function paint(canvas, map, values, most) {
  const [, rows, columns] = map.shape;
  Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  values.forEach((v, n) => image.data.set([...(v < 0 ? LESS : MORE), Math.round(205 * Math.min(1, Math.abs(v) / (most || 1)))], 4 * n));
  context.putImageData(image, 0, 0);
  const [x0, y0, x1, y1] = map.box;
  Object.assign(canvas.style, { left: `${100 * x0}%`, top: `${100 * y0}%`, width: `${100 * (x1 - x0)}%`, height: `${100 * (y1 - y0)}%` });
}

function panel(file, marks, name) {
  const canvas = element("canvas", { "aria-hidden": "true" }), words = element("figcaption", {});
  const sheet = element("div", { class: "sheet" }, element("img", { src: file, alt: `The picture, with ${name} laid over it` }), canvas, ...drawn(marks));
  return { figure: element("figure", {}, sheet, words), canvas, words };
}

// What a panel shows, in words: the mass in the boxes beside their share of the area, and the strongest place.
function told(name, map, values, inside, boxes) {
  const sum = total(values), most = values.indexOf(Math.max(...values)), [, rows, columns] = map.shape;
  const where = `most in row ${Math.floor(most / columns) + 1} of ${rows}, column ${(most % columns) + 1} of ${columns}`;
  const share = boxes.length && sum ? `${percent(total(values.map((v, n) => v * inside[n])) / sum)} of it in the boxes (${percent(total(inside) / inside.length)} of the area), ` : "";
  return [element("strong", {}, name), ` ${sum.toPrecision(2)} in all: ${share}${where}`];
}

function apart(map, change, inside, boxes) {
  const most = change.reduce((best, v, n) => (Math.abs(v) > Math.abs(change[best]) ? n : best), 0), columns = map.shape[2];
  const where = `${change[most] < 0 ? "less" : "more"} in row ${Math.floor(most / columns) + 1}, column ${(most % columns) + 1} above all`;
  const share = boxes.length ? `, ${signed(total(change.map((v, n) => v * inside[n])))} in the boxes` : "";
  return [element("strong", {}, "Difference"), ` ${signed(total(change))} in all${share}; ${where}. `, element("span", { class: "more" }, "More"), " and ", element("span", { class: "less" }, "less"), " with the method."];
}

export async function attention(index, run, i, file, marks) {
  const indexOf = async (slug) => load(`data/runs/${slug}/index.json`);
  const own = await indexOf(run.slug);
  if (!own.maps?.includes(i) || !file) return null;
  const peers = await Promise.all(index.runs.filter((r) => r.slug !== run.slug && r.model === run.model).map(async (r) => ({ run: r, about: await indexOf(r.slug) })));
  const beside = peers.filter(({ about }) => about.maps?.includes(i));
  beside.sort((a, b) => (own.acting === "vanilla" ? 0 : (b.about.acting === "vanilla") - (a.about.acting === "vanilla")));
  const named = (about, settings) => (settings ? `${about.acting} (${settings})` : about.acting);
  const here = marks.filter((mark) => mark.box && !mark.picture), boxes = here.map((mark) => mark.box);
  const maps = await mapsOf(run.slug, i);
  const reading = element("select", {}), other = element("select", {}), layer = element("input", { type: "range", min: "0", step: "1" }), at = element("output", {});
  fill(reading, maps.map((m) => [m.name, m.name.replace(".", ": ").replaceAll("_", " ")]), (maps.find((m) => m.layered) ?? maps[0]).name);
  fill(other, beside.map(({ run: r, about }) => [r.slug, named(about, r.settings)]), beside[0]?.run.slug);
  const layers = element("label", {}, "Layer ", layer, " ", at);
  const bar = element("div", { class: "tools" }, element("label", {}, "Reading ", reading), layers, ...(beside.length ? [element("label", {}, "Beside ", other)] : []));
  const panels = element("div", { class: "looked" });
  const draw = async () => {
    const map = maps.find((m) => m.name === reading.value), inside = covered(map, boxes);
    layers.hidden = !map.layered;
    layer.max = String(map.shape[0] - 1);
    const l = map.layered ? Number(layer.value) : 0, mine = { name: named(own, run.settings), values: map.at(l), acting: own.acting };
    at.textContent = `${l} (0 to ${map.shape[0] - 1})`;
    const peer = beside.find(({ run: r }) => r.slug === other.value);
    const theirs = peer && (await mapsOf(peer.run.slug, i)).find((m) => m.name === map.name && String(m.shape) === String(map.shape));
    const shown = [mine];
    if (theirs) shown.splice(own.acting === "vanilla" ? 1 : 0, 0, { name: named(peer.about, peer.run.settings), values: theirs.at(l) });
    const most = Math.max(...shown.flatMap(({ values }) => values));
    const made = shown.map(({ name, values }) => {
      const one = panel(file, here, `the attention of ${name}`);
      paint(one.canvas, map, values, most);
      one.words.append(...told(name, map, values, inside, boxes));
      return one.figure;
    });
    if (shown.length === 2) {
      const change = shown[1].values.map((v, n) => v - shown[0].values[n]), one = panel(file, here, "the difference");
      paint(one.canvas, map, change, Math.max(most / LEAST, ...change.map(Math.abs)));
      one.words.append(...apart(map, change, inside, boxes));
      made.push(one.figure);
    }
    panels.replaceChildren(...made);
  };
  layer.value = String(Math.floor(maps.find((m) => m.name === reading.value).shape[0] / 2));
  for (const control of [reading, layer, other]) control.addEventListener("input", draw);
  await draw();
  return element("section", { class: "part" }, element("h2", {}, "Where it looked"), bar, panels,
    element("p", { class: "small" }, "Panels with attention share one scale; the difference has its own, of a twentieth of that at least. The share in the boxes is of what lies on the picture."));
}
