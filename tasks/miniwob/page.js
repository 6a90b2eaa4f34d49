// Marks elements, describes the page, reads the episode's state. Evaluated once per page; functions hang on window.harness.
(() => {
  const hidden = new Set(["reward-display", "click-canvas", "sync-task-cover"]);
  const roots = () => [...document.body.children].filter((e) => !hidden.has(e.id) && e.tagName !== "SCRIPT");
  let last = 0;

  const mark = () => {
    for (const root of roots())
      for (const e of [root, ...root.querySelectorAll("*")])
        if (!e.hasAttribute("bid")) e.setAttribute("bid", String(++last));
  };

  const shown = (e) => {
    const box = e.getBoundingClientRect();
    if (e.tagName === "OPTION") return true;
    return box.width > 0 && box.height > 0 && getComputedStyle(e).visibility !== "hidden";
  };

  // Without its picture an element of `content: url(...)` has no size, as if it were hidden.
  const awaits = () =>
    [...document.querySelectorAll("*")].some(
      (e) => getComputedStyle(e).content.startsWith("url(") && e.offsetParent && !e.getBoundingClientRect().width,
    );

  const words = ["id", "class", "type", "placeholder", "href", "fill", "x", "y", "cx", "cy", "r", "width", "height", "title"];
  const describe = (e, depth) => {
    if (!shown(e) || e.tagName === "SCRIPT" || e.tagName === "STYLE" || hidden.has(e.id)) return "";
    const svg = e.namespaceURI.includes("svg");
    let head = `<${e.tagName.toLowerCase()} bid="${e.getAttribute("bid")}"`;
    for (const name of words) {
      const value = e.getAttribute(name);
      if (value && (svg || !["x", "y", "width", "height"].includes(name))) head += ` ${name}="${value}"`;
    }
    if (e.matches("input, textarea, select") && !["checkbox", "radio"].includes(e.type)) head += ` value="${e.value}"`;
    if (e.checked) head += " checked";
    if (e.selected) head += " selected";
    if (document.activeElement === e && e !== document.body) head += " focused";
    let inner = "";
    for (const child of e.childNodes) {
      if (child.nodeType === 3) inner += child.data.replace(/\s+/g, " ");
      else if (child.nodeType === 1) inner += describe(child, depth + 1);
    }
    inner = inner.trim();
    return inner ? `${head}>${inner}</${e.tagName.toLowerCase()}>` : `${head}/>`;
  };

  window.harness = {
    // A click after the end would start another episode and wipe the reward: no new one ever starts.
    begin: (seed, limit) => {
      Math.seedrandom(seed);
      core.EPISODE_MAX_TIME = limit;
      core.startEpisodeReal();
      core.startEpisode = () => {};
      document.getElementById("reward-display").style.display = "none";
    },
    dom: () => { mark(); return roots().map((e) => describe(e, 0)).join(""); },
    mark,
    state: () => {
      const goal = core.getUtterance();
      return {
        done: WOB_DONE_GLOBAL, raw: WOB_RAW_REWARD_GLOBAL, env: WOB_REWARD_GLOBAL, reason: WOB_REWARD_REASON,
        utterance: typeof goal === "string" ? goal : goal.utterance,
        fields: typeof goal === "string" ? {} : goal.fields,
      };
    },
    // An observation waits for the end of the page's own movement, by jQuery, and for its pictures.
    settled: () => (window.jQuery?.timers ?? []).length === 0 && [...document.images].every((e) => e.complete) && !awaits(),
  };
})()
