// On the search page: a few words around what was found. They come from a file beside this one, so that they are there
// from the disk too.
(function () {
  "use strict";

  const AROUND = 90; // letters before and after

  function excerpt(text, words) {
    const low = text.toLowerCase();
    const places = words.map((word) => low.indexOf(word)).filter((place) => place >= 0);
    const middle = places.length ? Math.min(...places) : 0;
    let from = Math.max(0, middle - AROUND);
    let to = Math.min(text.length, middle + 2 * AROUND);
    while (from > 0 && text[from - 1] !== " ") from--;
    while (to < text.length && text[to] !== " ") to++;
    return { before: from > 0 ? "… " : "", shown: text.slice(from, to), after: to < text.length ? " …" : "" };
  }

  // the words that were looked for stand out
  function marked(text, words) {
    const made = document.createDocumentFragment();
    const letters = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    for (const part of letters.length ? text.split(new RegExp(`(${letters.join("|")})`, "gi")) : [text]) {
      if (words.includes(part.toLowerCase())) {
        const mark = document.createElement("mark");
        mark.textContent = part;
        made.append(mark);
      } else made.append(part);
    }
    return made;
  }

  function complete(item, words) {
    const link = item.querySelector("a");
    if (!link || item.querySelector(".np-excerpt")) return;
    const page = new URL(link.href, location.href).href.split("#")[0].replace(/\.html$/, "");
    const name = Object.keys(window.npTexts || {}).find((known) => page.endsWith("/" + known));
    if (!name) return;
    const found = excerpt(window.npTexts[name], words);
    const line = document.createElement("p");
    line.className = "np-excerpt";
    line.append(found.before, marked(found.shown, words), found.after);
    item.append(line);
  }

  document.addEventListener("DOMContentLoaded", function () {
    const results = document.getElementById("search-results");
    if (!results) return;
    const asked = new URLSearchParams(location.search).get("q") || "";
    const words = asked.toLowerCase().split(/\s+/).filter((word) => word.length > 1);
    const all = () => results.querySelectorAll("ul.search li").forEach((item) => complete(item, words));
    new MutationObserver(all).observe(results, { childList: true, subtree: true });
    all();
  });
})();
