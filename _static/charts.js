// The value of a point of a chart under the mouse or the finger. Without this script the browser shows it as a title.
(function () {
  "use strict";

  const APART = 14; // pixels between the pointer and the words
  let box = null;

  // a title would be shown a second time by the browser: the words move to an attribute
  function wordsOf(point) {
    const title = point.querySelector("title");
    if (title) {
      point.dataset.words = title.textContent;
      title.remove();
    }
    return point.dataset.words || "";
  }

  function show(event) {
    const point = event.target.closest ? event.target.closest(".np-hover") : null;
    if (!point) return hide();
    if (!box) {
      box = document.createElement("div");
      box.className = "np-tip";
      box.setAttribute("aria-hidden", "true"); // the table of data says the same
      document.body.append(box);
    }
    box.textContent = wordsOf(point);
    box.hidden = false;
    const size = box.getBoundingClientRect();
    const left = Math.min(event.clientX + APART, document.documentElement.clientWidth - size.width - 4);
    const above = event.clientY - size.height - APART;
    box.style.left = `${Math.max(4, left)}px`;
    box.style.top = `${above > 4 ? above : event.clientY + APART}px`;
  }

  function hide() {
    if (box) box.hidden = true;
  }

  document.addEventListener("pointerover", show);
  document.addEventListener("pointerdown", show);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  document.addEventListener("scroll", hide, { capture: true, passive: true });
})();
