"""Looks at a page as an accessibility checker does: contrast, names, overflow."""

from __future__ import annotations

from playwright.sync_api import Frame

_CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => {
      const s = v / 255;
      return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(e).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || element.closest("script, style, svg")) continue;
    if (!element.checkVisibility() || element.closest(":disabled")) continue;
    const style = getComputedStyle(element);
    const [one, two] = [light(parse(style.color)), light(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    const size = parseFloat(style.fontSize);
    const big = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (big ? 3 : 4.5)) {
      poor.push(`${ratio.toFixed(2)} ${walker.currentNode.textContent.trim().slice(0, 40)}`);
    }
  }
  return poor;
}"""

_NAMELESS = """() => [
  ...document.querySelectorAll("button, a[href], input, select, textarea, dialog, table"),
]
  .filter((e) => e.checkVisibility())
  .filter((e) => {
    const by = e.getAttribute("aria-labelledby");
    const label = e.getAttribute("aria-label") || (by && document.getElementById(by)?.textContent)
      || [...(e.labels ?? [])].map((l) => l.textContent).join("")
      || (e.matches("button, a") ? e.textContent : "");
    return !label?.trim();
  })
  .map((e) => e.outerHTML.slice(0, 120))"""

_MISNAMED = """() => [...document.querySelectorAll("button[aria-label], a[aria-label]")]
  .filter((e) => !e.getAttribute("aria-label").includes(e.textContent.trim()))
  .map((e) => e.getAttribute("aria-label"))"""

_DUPLICATES = """() => {
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  return ids.filter((id, index) => ids.indexOf(id) !== index);
}"""


def problems(frame: Frame) -> list[str]:
    """Everything wrong with what the frame shows now, in words; empty when all is well.

    Text below 4.5:1 (3:1 when large), controls without a name or with one that leaves out their
    visible text, ids used twice, content wider than the window.
    """
    found = [f"contrast {text}" for text in frame.evaluate(_CONTRAST)]
    found += [f"no name: {html}" for html in frame.evaluate(_NAMELESS)]
    found += [f"name without its text: {name}" for name in frame.evaluate(_MISNAMED)]
    found += [f"id twice: {name}" for name in frame.evaluate(_DUPLICATES)]
    wide = frame.evaluate(
        "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    if wide > 0:
        found.append(f"{wide} px wider than the window")
    return found
