// Sorting, filtering and choosing columns of tables. The state lies in the URL, so that a view can be linked to.
const params = new URLSearchParams(location.search);

function remember(key, value) {
  if (value) params.set(key, value); else params.delete(key);
  const query = params.toString();
  history.replaceState(null, "", (query ? `?${query}` : location.pathname.split("/").pop() || ".") + location.hash);
}

const value = (cell) => cell.dataset.value ?? cell.textContent.trim();

function sorter(table, name) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const original = [...body.rows];
  const apply = (index, direction) => {
    for (const head of heads) head.removeAttribute("aria-sort");
    if (direction === 0) { body.append(...original); return; }
    const numeric = heads[index].dataset.sort === "number";
    heads[index].setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    const keyed = original.map((row) => [value(row.cells[index]), row]);
    keyed.sort(([x], [y]) => {
      if ((x === "") !== (y === "")) return x === "" ? 1 : -1; // what was not run stays last
      return direction * (numeric ? Number(x) - Number(y) : x.localeCompare(y));
    });
    body.append(...keyed.map(([, row]) => row));
  };
  heads.forEach((head, index) => {
    if (!head.dataset.sort) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    const label = head.dataset.name ?? head.textContent.trim();
    if (head.querySelector("a")) {
      button.setAttribute("aria-label", `Sort by ${label}`);
      head.prepend(button);
    } else if (head.querySelector(".sub")) {
      button.append(head.firstChild);
      head.prepend(button);
    } else {
      button.append(...head.childNodes);
      head.append(button);
    }
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const first = head.dataset.sort === "number" ? -1 : 1;
      const direction = now === null ? first : (now === "ascending" ? 1 : -1) === first ? -first : 0;
      apply(index, direction);
      remember(`${name}.sort`, direction ? `${direction > 0 ? "" : "-"}${index}` : "");
    });
  });
  const kept = params.get(`${name}.sort`);
  if (kept && heads[Math.abs(Number(kept))]?.dataset.sort) {
    apply(Math.abs(Number(kept)), kept.startsWith("-") ? -1 : 1);
  }
}

function tools(table, box, name) {
  box.hidden = false;
  const input = box.querySelector("[data-filter]");
  const count = box.querySelector("[data-count]");
  const rows = [...table.tBodies[0].rows];
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((w) => text.includes(w));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = words.length ? `${shown} of ${rows.length}` : "";
  };
  input.value = params.get(`${name}.filter`) ?? "";
  input.addEventListener("input", () => { filter(); remember(`${name}.filter`, input.value); });
  filter();
  const menu = box.querySelector("[data-columns]");
  if (!menu) return;
  const hidden = new Set((params.get(`${name}.hide`) ?? "").split(",").filter(Boolean));
  const show = () => {
    for (const row of table.rows) {
      [...row.cells].forEach((cell, i) => { cell.hidden = hidden.has(String(i)); });
    }
  };
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    if (i === 0) return;
    const label = document.createElement("label");
    const tick = document.createElement("input");
    tick.type = "checkbox";
    tick.checked = !hidden.has(String(i));
    tick.addEventListener("change", () => {
      if (tick.checked) hidden.delete(String(i)); else hidden.add(String(i));
      show();
      remember(`${name}.hide`, [...hidden].sort().join(","));
    });
    label.append(tick, ` ${head.dataset.name ?? head.textContent.trim()}`);
    menu.append(label);
  });
  show();
}

for (const table of document.querySelectorAll("table[data-table]")) {
  const name = table.dataset.table;
  const box = table.closest(".scroll")?.previousElementSibling;
  if (box?.classList.contains("tools")) tools(table, box, name);
  sorter(table, name);
}
