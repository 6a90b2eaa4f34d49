// Before the page is drawn: the reader's choice of light or dark, else the system's; and the menu of small screens.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  let kept = null;
  try { kept = localStorage.getItem("theme"); } catch { /* storage is off */ }
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("button.theme");
    button.hidden = false;
    button.addEventListener("click", () => {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      try { localStorage.setItem("theme", root.dataset.theme); } catch { /* storage is off */ }
    });
    const menu = document.querySelector("button.menu");
    const open = (yes) => menu.setAttribute("aria-expanded", String(yes));
    menu.addEventListener("click", () => open(menu.getAttribute("aria-expanded") !== "true"));
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || menu.getAttribute("aria-expanded") !== "true") return;
      open(false);
      menu.focus();
    });
  });
})();
