// What the sample browser and the comparison share: loading, choosing, and writing text that is never markup.
export const params = new URLSearchParams(location.search);
const kept = new Map();

export async function load(path) {
  if (!kept.has(path)) {
    kept.set(path, fetch(path).then((answer) => {
      if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
      return answer.json();
    }));
  }
  return kept.get(path);
}

export function remember(values) {
  for (const [key, value] of Object.entries(values)) {
    if (value) params.set(key, value); else params.delete(key);
  }
  history.replaceState(null, "", `?${params}`);
}

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => {
    const option = element("option", { value }, text);
    option.selected = value === chosen;
    return option;
  }));
  return select.value;
}

export const labels = (runs) => {
  const seen = new Map();
  for (const r of runs) seen.set(r.label, (seen.get(r.label) ?? 0) + 1);
  return runs.map((r) => [r.slug, seen.get(r.label) > 1 ? `${r.label} (${r.settings || r.run})` : r.label]);
};

export function failed(error) {
  document.querySelector("#summary").textContent = `This could not be loaded (${error.message}). Reload the page, or build the site again.`;
}
