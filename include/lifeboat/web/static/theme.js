// Follows the theme of the Airflow page around this one. Runs before the first paint.
"use strict";
(() => {
  const here = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  function around() {
    try {
      return parent === window ? null : parent.document.documentElement;
    } catch {
      return null; // framed by another origin: nothing to follow
    }
  }

  function chosen() {
    const host = around();
    if (host?.classList.contains("dark")) return "dark";
    if (host?.classList.contains("light")) return "light";
    let stored = null;
    try {
      stored = localStorage.getItem("theme");
    } catch {
      // storage is closed to this page: the system's preference decides
    }
    if (stored === "dark" || stored === "light") return stored;
    return system.matches ? "dark" : "light";
  }

  const apply = () => {
    here.dataset.theme = chosen();
  };
  apply();
  const host = around();
  if (host) {
    const seen = new MutationObserver(apply);
    seen.observe(host, { attributes: true, attributeFilter: ["class"] });
    addEventListener("pagehide", () => seen.disconnect());
  }
  addEventListener("storage", apply);
  system.addEventListener("change", apply);
})();
