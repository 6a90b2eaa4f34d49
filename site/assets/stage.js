// A picture with what is drawn over it, and a way to come closer. Places are fractions of the picture's sides.
import { element } from "./common.js";

const ROLES = { target: "in the key", right: "right", wrong: "wrong", other: "" };
export const meaning = (mark) => [mark.label, ROLES[mark.role] ?? ""].filter(Boolean).join(": ");

export function drawn(marks) {
  return marks.map((mark, i) => [mark, i]).filter(([mark]) => mark.box || mark.point).map(([mark, i]) => {
    const made = element("span", { class: `drawn d-${mark.box ? "box" : "point"} r-${mark.role}`, "data-mark": String(i), title: meaning(mark) });
    const [x0, y0, x1, y1] = mark.box ?? [...mark.point, ...mark.point];
    Object.assign(made.style, { left: `${100 * x0}%`, top: `${100 * y0}%` });
    if (mark.box) Object.assign(made.style, { width: `${100 * (x1 - x0)}%`, height: `${100 * (y1 - y0)}%` });
    if (mark.box) made.append(element("span", { class: "tab" }, mark.label));
    if (mark.box && y0 < 0.08) made.classList.add("low");
    if (mark.box && x0 > 0.8) made.classList.add("late");
    return made;
  });
}

export function stage(files, marks, alt) {
  let shown = 0, zoom = 1, visible = true;
  const image = element("img", { alt: "" });
  const sheet = element("div", { class: "sheet" }, image);
  const view = element("div", { class: "view", tabindex: "0", role: "group", "aria-label": "Picture; plus and minus come closer and go back" }, sheet);
  const size = element("output", { class: "range" });
  const button = (text, label, act) => {
    const made = element("button", { type: "button", "aria-label": label }, text);
    made.addEventListener("click", act);
    return made;
  };
  const fit = () => {
    if (!image.naturalWidth || !view.clientWidth) return;
    const most = Math.min(view.clientWidth, image.naturalWidth * 3, 0.72 * innerHeight * image.naturalWidth / image.naturalHeight);
    sheet.style.width = `${Math.round(zoom * most)}px`;
    size.textContent = `${image.naturalWidth} × ${image.naturalHeight}${zoom === 1 ? "" : `, ${zoom}×`}`;
  };
  const closer = (factor) => { zoom = factor === 0 ? 1 : Math.min(8, Math.max(1, zoom * factor)); fit(); };
  const toggle = element("input", { type: "checkbox" });
  toggle.checked = true;
  toggle.addEventListener("change", () => { visible = toggle.checked; show(); });
  const show = () => {
    for (const old of sheet.querySelectorAll(".drawn")) old.remove();
    const here = marks.map((m) => (m.picture === shown && visible ? m : {}));
    sheet.append(...drawn(here));
    for (const [i, one] of [...strip.children].entries()) one.setAttribute("aria-pressed", String(i === shown));
  };
  const choose = (i) => {
    shown = i;
    image.src = files[i];
    image.alt = files.length > 1 ? `${alt}, ${i + 1} of ${files.length}` : alt;
    show();
  };
  const strip = element("div", { class: "strip", role: "group", "aria-label": "Pictures of this sample" }, ...files.map((file, i) => {
    const made = button(element("img", { src: file, alt: `Picture ${i + 1}`, loading: "lazy" }), `Picture ${i + 1} of ${files.length}`, () => choose(i));
    return made;
  }));
  image.addEventListener("load", fit);
  new ResizeObserver(fit).observe(view); // also when it comes into the page behind the picture's load
  view.addEventListener("dblclick", () => closer(zoom > 1 ? 0 : 2));
  view.addEventListener("keydown", (event) => {
    const factor = { "+": 2, "=": 2, "-": 0.5, 0: 0 }[event.key];
    if (factor === undefined) return;
    event.preventDefault();
    closer(factor);
  });
  const bar = element("div", { class: "bar-of-stage" },
    button("−", "Smaller", () => closer(0.5)), button("fit", "Whole picture", () => closer(0)), button("+", "Larger", () => closer(2)), size);
  if (marks.some((m) => m.box || m.point)) bar.append(element("label", {}, toggle, " boxes and clicks"));
  const made = element("figure", { class: "stage" }, view, bar);
  if (files.length > 1) made.append(strip);
  choose(0);
  return made;
}
