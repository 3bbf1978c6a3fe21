// The explorer: filters, sorts and turns the table of runs, draws the scatter and the curves, shows the chosen records.
// Everything it shows comes from the page's data and is put into it as text, never as HTML.
(function () {
  "use strict";

  const ROWS = 10;
  const FILTERS = { paper: "Paper", dataset: "Data set", model: "Network", method: "Method", edition: "Edition" };

  function start() {
    const root = document.getElementById("np-explorer");
    const inside = root && root.querySelector(".np-explorer-data");
    const data = window.npExplorer || (inside && JSON.parse(inside.textContent));
    if (root && data && root.dataset.runs !== "0" && typeof vegaEmbed === "function") explore(root, data);
  }

  function explore(root, data) {
    const columns = {};
    for (const [name, column] of Object.entries(data.columns))
      columns[name] = column.values || column.codes.map((code) => column.different[code]);
    const shown = Array.from({ length: Number(root.dataset.runs) }, (_, i) => i);
    columns.name = shown.map((i) => {
      const [paper, dataset, model, method, seed] = ["paper", "dataset", "model", "method", "seed"].map((name) => columns[name][i]);
      return `${paper}/${dataset}/${model}-${method}-s${seed}`;
    });
    const state = { filters: {}, words: "", sort: "", down: false, page: 0, chosen: [] };
    let fits = shown;
    const charts = { scatter: element("div", { class: "np-explorer-chart" }), curves: element("div", { class: "np-explorer-chart" }) };
    const views = {};
    const body = element("tbody");
    const said = element("p", { role: "status" });
    const records = element("div", { class: "np-explorer-records" });
    const heads = {};
    const selects = {};

    restore();
    build();
    update();
    draw();
    new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });

    // the address holds what is chosen, so that it can be sent to somebody

    function restore() {
      const address = new URLSearchParams(location.hash.slice(1));
      for (const name of Object.keys(FILTERS)) if (address.get(name)) state.filters[name] = address.get(name);
      state.words = address.get("words") || "";
      state.sort = columns[address.get("sort")] ? address.get("sort") : "";
      state.down = address.has("down");
      state.chosen = address.getAll("run").map((name) => columns.name.indexOf(name)).filter((i) => i >= 0);
      if (!state.chosen.length) state.chosen = pair();
    }

    // two runs that differ in what trains, and in nothing else
    function pair() {
      const frozen = shown.find((i) => columns.method[i].endsWith("-frozen") && columns.name.includes(thawed(i)));
      return frozen === undefined ? shown.slice(0, 2) : [frozen, columns.name.indexOf(thawed(frozen))];
    }

    function thawed(i) {
      return columns.name[i].replace("-frozen", "-thawed");
    }

    function remember() {
      const address = new URLSearchParams(Object.entries(state.filters).filter(([, text]) => text));
      if (state.words) address.set("words", state.words);
      if (state.sort) address.set("sort", state.sort);
      if (state.sort && state.down) address.set("down", "1");
      for (const i of state.chosen) address.append("run", columns.name[i]);
      clearTimeout(state.writing); // browsers refuse an address that changes with every letter
      state.writing = setTimeout(() => history.replaceState(null, "", `#${address}`), 300);
    }

    function update() {
      const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
      const chosen = Object.entries(state.filters).filter(([, text]) => text);
      fits = shown.filter(
        (i) =>
          chosen.every(([name, text]) => String(columns[name][i]) === text) &&
          words.every((word) => columns.name[i].toLowerCase().includes(word))
      );
      const column = columns[state.sort];
      if (column)
        fits.sort((i, j) => {
          if (column[i] === null || column[j] === null) return (column[i] === null) - (column[j] === null);
          const order = typeof column[i] === "number" ? column[i] - column[j] : String(column[i]).localeCompare(column[j], "en", { numeric: true });
          return state.down ? -order : order;
        });
      state.page = Math.min(state.page, Math.max(0, Math.ceil(fits.length / ROWS) - 1));
      table();
      if (views.scatter) views.scatter.data("runs", fits.map(point)).data("chosen", state.chosen.map(point)).run();
      if (views.curves) views.curves.data("curves", curves()).run();
      records.replaceChildren(...state.chosen.map(record));
      remember();
    }

    function table() {
      const first = state.page * ROWS;
      const here = fits.slice(first, first + ROWS);
      said.textContent = here.length ? `${spoken(first + 1)}–${spoken(first + here.length)} of ${spoken(fits.length)} runs` : "No run fits.";
      body.replaceChildren(
        ...here.map((i) => {
          const pick = button("show", () => choose(i));
          pick.setAttribute("aria-label", `show ${columns.name[i]}`);
          pick.setAttribute("aria-pressed", String(state.chosen.includes(i)));
          const cells = Object.keys(data.heads).map((name) => {
            const value = columns[name] ? columns[name][i] : null;
            return element("td", { class: typeof value === "number" ? "np-explorer-number" : "" }, spoken(value));
          });
          return element("tr", {}, element("td", {}, pick), ...cells);
        })
      );
      for (const [name, cell] of Object.entries(heads))
        cell.setAttribute("aria-sort", state.sort !== name ? "none" : state.down ? "descending" : "ascending");
    }

    // the last two that were chosen are compared
    function choose(i) {
      state.chosen = [...state.chosen.filter((other) => other !== i), i].slice(-2);
      update();
    }

    function point(i) {
      return { i, name: columns.name[i], paper: columns.paper[i], parameters: columns.parameters[i], best: columns.best[i] };
    }

    function curves() {
      return state.chosen.flatMap((i) =>
        data.curves[i].flatMap((values, k) =>
          values.flatMap((value, epoch) =>
            value === null ? [] : [{ run: columns.name[i], on: ["test", "training"][k], epoch: epoch + 1, accuracy: value / 100 }]
          )
        )
      );
    }

    // what is known of a run, where its record lies, and all of it as JSON
    function record(i) {
      const path = `results/${columns.edition[i]}/${columns.name[i]}.json`;
      const where = data.code ? element("a", { href: `${data.code}/${path}` }, path) : element("code", {}, path);
      const [which, ...values] = data.measures[i];
      const facts = Object.fromEntries(Object.keys(columns).map((name) => [name, columns[name][i]]));
      const measures = Object.fromEntries(data.measured[which].map((name, k) => [name, values[k]]));
      const [test, train] = data.curves[i].map((curve) => curve.map((value) => (value === null ? null : value / 10000)));
      const json = JSON.stringify({ ...facts, measures, test_accuracy: test, train_accuracy: train }, null, 1);
      const file = URL.createObjectURL(new Blob([json], { type: "application/json" }));
      const save = element("a", { href: file, download: `${columns.name[i].replaceAll("/", "-")}.json` }, "Download");
      const box = element("details", {}, element("summary", {}, "What this page knows of it, as JSON"), save, element("pre", { tabindex: "0" }, json));
      return element("div", {}, element("p", {}, "Record: ", where), box);
    }

    async function draw() {
      const sets = { scatter: { runs: fits.map(point), chosen: state.chosen.map(point) }, curves: { curves: curves() } };
      for (const [name, place] of Object.entries(charts)) {
        const config = theme(root);
        const specification = { ...painted(data.charts[name], root), datasets: sets[name] };
        const made = await vegaEmbed(place, specification, { mode: "vega-lite", renderer: "canvas", actions: false, logLevel: 1, config });
        if (views[name]) views[name].finalize();
        views[name] = made.view;
        const canvas = place.querySelector("canvas");
        canvas.parentElement.removeAttribute("role");
        canvas.parentElement.removeAttribute("aria-label");
        canvas.parentElement.removeAttribute("aria-roledescription");
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", `${data.charts[name].description}; the table has the same runs`);
      }
      views.scatter.addEventListener("click", (event, item) => item && item.datum && item.datum.i !== undefined && choose(item.datum.i));
      root.dataset.drawn = String(Number(root.dataset.drawn || 0) + 1);
    }

    function build() {
      const controls = element("div", { class: "np-explorer-controls" });
      for (const [name, label] of Object.entries(FILTERS)) {
        const different = Array.from(new Set(columns[name])).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
        const options = different.map((text) => element("option", { value: text }, text));
        const select = element("select", {}, element("option", { value: "" }, "all"), ...options);
        select.value = state.filters[name] || "";
        select.addEventListener("change", () => {
          state.filters[name] = select.value;
          update();
        });
        selects[name] = select;
        if (different.length > 1) controls.append(element("label", {}, label, select));
      }
      const words = element("input", { type: "search", placeholder: "block3 thawed" });
      words.value = state.words;
      words.addEventListener("input", () => {
        state.words = words.value;
        update();
      });
      const all = button("Show all", () => {
        Object.assign(state, { filters: {}, words: "", page: 0 });
        for (const field of [words, ...Object.values(selects)]) field.value = "";
        update();
      });
      controls.append(element("label", {}, "Words in the name", words), all);
      const head = element("tr", {}, element("td"));
      for (const [name, text] of Object.entries(data.heads)) {
        const sort = button(text, () => {
          Object.assign(state, { down: state.sort === name && !state.down, sort: name, page: 0 });
          update();
        });
        heads[name] = element("th", { scope: "col" }, sort);
        head.append(heads[name]);
      }
      const runs = element("table", { class: "dataframe np-table" }, element("thead", {}, head), body);
      const scroll = element("div", { class: "np-scroll", tabindex: "0", role: "region", "aria-label": "Table: every run that fits" }, runs);
      const turn = (by) => () => {
        state.page = Math.max(0, state.page + by);
        update();
      };
      const pages = element("div", { class: "np-explorer-pages" }, said, button("Back", turn(-1)), button("Next", turn(1)));
      const both = element("div", { class: "np-explorer-charts" }, charts.scatter, charts.curves);
      root.querySelector(".np-explorer-plain").replaceWith(controls, both, records, pages, scroll);
    }
  }

  function button(text, act) {
    const made = element("button", { type: "button" }, text);
    made.addEventListener("click", act);
    return made;
  }

  function element(name, attributes, ...content) {
    const made = document.createElement(name);
    for (const [key, held] of Object.entries(attributes || {})) made.setAttribute(key, held);
    made.append(...content);
    return made;
  }

  function spoken(held) {
    if (held === null || held === undefined) return "–";
    return typeof held === "number" ? held.toLocaleString("en", { maximumFractionDigits: 5 }) : String(held);
  }

  // Vega knows nothing of the page's colours
  function painted(specification, root) {
    const page = getComputedStyle(root);
    const named = (_, name) => JSON.stringify(name === "ink" ? page.color : page.getPropertyValue(name).trim());
    return JSON.parse(JSON.stringify(specification).replace(/"var:([\w-]+)"/g, named));
  }

  function theme(root) {
    const page = getComputedStyle(root);
    const words = { labelColor: page.color, titleColor: page.color, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" };
    const grid = page.getPropertyValue("--np-grid").trim();
    return { background: null, font: page.fontFamily, axis: { ...words, gridColor: grid, domainColor: page.color, tickColor: page.color }, legend: words };
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
