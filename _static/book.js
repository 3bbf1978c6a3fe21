// What the stock theme lacks for people who use a keyboard or a screen reader.
(function () {
  "use strict";

  function each(selector, change) {
    document.querySelectorAll(selector).forEach(change);
  }

  function name(selector, label, role) {
    each(selector, function (element) {
      element.setAttribute("aria-label", label);
      if (role) element.setAttribute("role", role);
    });
  }

  // an aria-label must hold the words that are on the button; icons bring theirs late
  function mendLabels() {
    each(".search-button-field, .theme-switch-button, details.hide > summary", function (element) {
      const words = element.textContent.replace(/\s+/g, " ").trim();
      if (words && !(element.getAttribute("aria-label") || "").includes(words)) element.setAttribute("aria-label", words);
    });
  }

  function nameRegions() {
    name("#pst-primary-sidebar, .bd-sidebar-primary", "Sidebar", "region");
    name("#pst-secondary-sidebar, .bd-sidebar-secondary", "On this page", "region");
    each(".toctree-l1 > details > summary, .toctree-l2 > details > summary", function (summary) {
      const link = summary.closest("li").querySelector("a");
      summary.setAttribute("aria-label", "Pages under " + (link ? link.textContent.trim() : "this one"));
    });
    each(".citation-list", function (list) {
      list.removeAttribute("role");
    });
    each(".citation-list > .citation", function (entry) {
      entry.removeAttribute("role");
    });
  }

  // what can be scrolled sideways must be reachable with the keyboard
  function reachScrollers() {
    each(".np-scroll, .glued-table, .output, pre, mjx-container, .bd-article table", function (element) {
      const wide = element.scrollWidth > element.clientWidth + 1;
      if (element.classList.contains("np-scroll")) fade(element);
      if (wide && !element.hasAttribute("tabindex")) element.setAttribute("tabindex", "0");
    });
  }

  // the right edge fades as long as something is hidden behind it
  function fade(element) {
    const left = element.scrollWidth - element.clientWidth - element.scrollLeft;
    element.classList.toggle("np-more", left > 1);
  }

  function mend() {
    mendLabels();
    nameRegions();
    reachScrollers();
  }

  document.addEventListener("DOMContentLoaded", function () {
    mend();
    each(".np-scroll", function (element) {
      element.addEventListener("scroll", function () { fade(element); }, { passive: true });
    });
    each(".theme-switch-button", function (button) {
      new MutationObserver(mendLabels).observe(button, { childList: true, subtree: true });
    });
  });
  window.addEventListener("load", mend);
  window.addEventListener("resize", reachScrollers);
})();
