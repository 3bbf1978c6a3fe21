// The explorer: filters, sorts and turns the table of runs, draws the scatter and the curves, compares two runs.
// Everything it shows comes from the JSON beside the table and is put into the page as text, never as HTML.
(function () {
  "use strict";

  const ROWS = 10;
  const ONLY_ERRORS = 1; // a run without curves is no reason for Vega to warn
  const FILTERS = ["paper", "dataset", "model", "method", "edition"];
  const COLOURS = { A: "--np-blue", B: "--np-vermillion" };
  const FIRST = "cifar10"; // the data set that is shown first, where it is there
  const UNITS = { test_accuracy: 100, train_accuracy: 100, test_loss: 1, train_loss: 1 };
  const CURVES = Object.keys(UNITS); // in the order in which a run has them

  function start() {
    const root = document.getElementById("np-explorer");
    const source = root && root.querySelector(".np-explorer-data");
    if (source && root.dataset.runs !== "0" && typeof vegaEmbed === "function") explore(root, JSON.parse(source.textContent));
  }

  function explore(root, data) {
    const count = Number(root.dataset.runs);
    const columns = {};
    for (const [name, column] of Object.entries(data.columns))
      columns[name] = column.values || column.codes.map((code) => column.different[code]);
    const shown = Array.from({ length: count }, (_, i) => i);
    columns.name = shown.map((i) => {
      const [paper, dataset, model, method, seed] = ["paper", "dataset", "model", "method", "seed"].map((name) => columns[name][i]);
      return `${paper}/${dataset}/${model}-${method}-s${seed}`;
    });
    const state = {
      fits: shown, filters: {}, words: "", sort: null, down: false, page: 0, A: 0, B: Math.min(1, count - 1), kind: "accuracy",
    };
    restore();
    const views = {};
    const parts = build(root, data, columns, state, { filter, order, turn, choose, show });
    const bodies = Array.from(parts.body.rows);

    function value(name, i) {
      return columns[name] ? columns[name][i] : null;
    }

    // the address holds what is chosen, so that it can be sent to somebody

    function restore() {
      const said = new URLSearchParams(location.hash.slice(1));
      const index = (name) => columns.name.indexOf(said.get(name) || "");
      const known = (name, text) => text && columns[name] && columns[name].some((held) => String(held) === text);
      for (const name of FILTERS) if (known(name, said.get(name))) state.filters[name] = said.get(name);
      state.words = said.get("words") || "";
      if (columns[said.get("sort")]) Object.assign(state, { sort: said.get("sort"), down: said.has("down") });
      if (said.get("curves") === "loss") state.kind = "loss";
      if (![...said.keys()].length && known("dataset", FIRST)) state.filters.dataset = FIRST;
      Object.assign(state, pair());
      if (index("run") >= 0) state.A = index("run");
      for (const slot of ["A", "B"]) if (index(slot) >= 0) state[slot] = index(slot);
    }

    // two runs that can be compared: they differ in what trains, and in nothing else
    function pair() {
      const here = shown.filter((i) => FILTERS.every((name) => !state.filters[name] || String(value(name, i)) === state.filters[name]));
      for (const i of here) {
        if (!String(value("method", i)).endsWith("-frozen")) continue;
        const other = columns.name.indexOf(columns.name[i].replace("-frozen", "-thawed"));
        if (other >= 0) return { A: i, B: other };
      }
      const [first, second] = here.length > 1 ? here : shown;
      return { A: first, B: second === undefined ? first : second };
    }

    function remember() {
      const said = new URLSearchParams();
      for (const name of FILTERS) if (state.filters[name]) said.set(name, state.filters[name]);
      if (state.words) said.set("words", state.words);
      if (state.sort) said.set("sort", state.sort);
      if (state.sort && state.down) said.set("down", "1");
      if (state.kind !== "accuracy") said.set("curves", state.kind);
      for (const slot of ["A", "B"]) said.set(slot, columns.name[state[slot]]);
      clearTimeout(state.writing); // browsers refuse an address that changes with every letter
      state.writing = setTimeout(() => history.replaceState(null, "", `#${said}`), 300);
    }

    // which runs fit, and in which order

    function fitting(without) {
      const chosen = FILTERS.filter((name) => state.filters[name] && name !== without);
      const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
      return shown.filter(
        (i) =>
          chosen.every((name) => String(value(name, i)) === state.filters[name]) &&
          words.every((word) => columns.name[i].toLowerCase().includes(word))
      );
    }

    function filter(quietly) {
      state.fits = fitting();
      narrow();
      sorted();
      state.page = 0;
      table();
      points();
      if (quietly !== true) remember();
    }

    // a choice that no run is left for, given the other choices, is not offered
    function narrow() {
      for (const [name, select] of Object.entries(parts.selects)) {
        const left = new Set(fitting(name).map((i) => String(value(name, i))));
        for (const option of select.options) {
          option.disabled = option.hidden = option.value !== "" && option.value !== select.value && !left.has(option.value);
        }
      }
    }

    function sorted() {
      if (!state.sort) return;
      const column = columns[state.sort];
      const sign = state.down ? -1 : 1;
      state.fits.sort((i, j) => {
        const a = column[i];
        const b = column[j];
        if (a === b) return i - j;
        if (a === null) return 1; // what is missing comes last in either direction
        if (b === null) return -1;
        return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
      });
    }

    function order(name) {
      state.down = state.sort === name ? !state.down : false;
      state.sort = name;
      sorted();
      state.page = 0;
      table();
      remember();
    }

    function turn(by) {
      state.page += by;
      table();
    }

    function choose(slot, i) {
      state[slot] = i;
      table();
      if (views.scatter) change(views.scatter, "chosen", chosen());
      compare();
      remember();
    }

    // the arrow keys go from point to point, from the smallest network to the largest
    function step(event) {
      const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const slot = event.shiftKey ? "B" : "A";
      const drawn = state.fits.filter(point).sort((i, j) => value("parameters", i) - value("parameters", j) || value("best", i) - value("best", j));
      if (!drawn.length) return;
      const at = drawn.indexOf(state[slot]);
      choose(slot, drawn[at < 0 ? 0 : Math.min(drawn.length - 1, Math.max(0, at + by))]);
    }

    function show(kind) {
      state.kind = kind;
      draw("curves");
      remember();
    }

    // what is on the page

    function table() {
      const last = Math.max(0, Math.ceil(state.fits.length / ROWS) - 1);
      state.page = Math.min(Math.max(0, state.page), last);
      const from = state.page * ROWS;
      const here = state.fits.slice(from, from + ROWS);
      parts.body.replaceChildren(...here.map(row));
      parts.said.textContent = state.fits.length
        ? `${(from + 1).toLocaleString("en")}–${(from + here.length).toLocaleString("en")} of ${state.fits.length.toLocaleString("en")} runs`
        : "No run fits.";
      parts.back.disabled = state.page === 0;
      parts.forth.disabled = state.page === last;
      for (const [name, cell] of Object.entries(parts.heads)) {
        if (state.sort === name) cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
        else cell.removeAttribute("aria-sort");
      }
    }

    function row(i) {
      const line = bodies[i];
      if (!line.dataset.run) {
        line.dataset.run = String(i);
        const cell = element("td", { class: "np-explorer-pick" });
        for (const slot of ["A", "B"]) {
          const button = element("button", { type: "button", class: `np-slot np-slot-${slot}`, "aria-label": `${slot}: ${columns.name[i]}` }, slot);
          button.addEventListener("click", () => choose(slot, i));
          cell.append(button);
        }
        line.prepend(cell);
      }
      for (const button of line.querySelectorAll(".np-slot")) button.setAttribute("aria-pressed", String(state[button.textContent] === i));
      return line;
    }

    function points() {
      if (views.scatter) change(views.scatter, "runs", state.fits.map(point).filter(Boolean));
    }

    function point(i) {
      const [parameters, best] = [value("parameters", i), value("best", i)];
      return parameters && best !== null ? { i, name: columns.name[i], paper: value("paper", i), parameters, best } : null;
    }

    function chosen() {
      const both = state.A === state.B ? { "A, B": state.A } : { A: state.A, B: state.B };
      return Object.entries(both).flatMap(([slot, i]) => (point(i) ? [{ ...point(i), slot }] : []));
    }

    function measures(i) {
      const [which, ...values] = data.measures[i];
      return Object.fromEntries(data.measured[which].map((name, j) => [name, values[j]]));
    }

    function compare() {
      if (views.curves) change(views.curves, "curves", curves());
      Object.keys(views).forEach(label);
      const names = Object.keys(data.heads);
      const lines = names.map((name) => [data.heads[name], value(name, state.A), value(name, state.B)]);
      const [one, other] = [measures(state.A), measures(state.B)];
      const measured = new Set([...Object.keys(one), ...Object.keys(other)]);
      for (const name of measured) lines.push([name.replaceAll("_", " "), one[name], other[name]]);
      parts.compared.replaceChildren(...lines.map(line));
    }

    function line([name, a, b]) {
      const both = typeof a === "number" && typeof b === "number" && name !== "seed";
      const cells = [spoken(a), spoken(b), both ? signed(b - a) : ""];
      const made = element("tr", {}, element("th", { scope: "row" }, name));
      for (const text of cells) made.append(element("td", {}, text));
      return made;
    }

    function curves() {
      const kind = state.kind;
      const rows = [];
      for (const slot of ["A", "B"]) {
        const [which, ...run] = data.curves[state[slot]];
        const stages = (data.stages[which] || []).flatMap(([stage, epochs]) => Array(epochs).fill(stage));
        for (const on of ["test", "train"]) {
          const name = `${on}_${kind}`;
          (run[CURVES.indexOf(name)] || []).forEach((held, k) => {
            if (held !== null)
              rows.push({ slot, on: on === "train" ? "training" : "test", kind, epoch: k + 1, stage: stages[k], value: held / UNITS[name] });
          });
        }
      }
      return rows;
    }

    // charts

    async function draw(name) {
      const specification = painted(data.charts[name === "scatter" ? name : state.kind], root);
      specification.datasets = name === "scatter" ? { runs: state.fits.map(point).filter(Boolean), chosen: chosen() } : { curves: curves() };
      const how = { mode: "vega-lite", renderer: "canvas", actions: false, logLevel: ONLY_ERRORS, config: theme(root) };
      const made = await vegaEmbed(parts.charts[name], specification, how);
      if (views[name]) views[name].finalize();
      views[name] = made.view;
      if (name === "scatter")
        made.view.addEventListener("click", (event, item) => {
          if (item && item.datum && item.datum.i !== undefined) choose(event.shiftKey ? "B" : "A", item.datum.i);
        });
      label(name);
      root.dataset[name] = String(Number(root.dataset[name] || 0) + 1);
    }

    // what a canvas shows, for those who cannot see it
    function label(name) {
      const canvas = parts.charts[name].querySelector("canvas");
      if (!canvas) return;
      const both = `A: ${columns.name[state.A]}, best ${spoken(value("best", state.A))} %; B: ${columns.name[state.B]}, best ${spoken(value("best", state.B))} %`;
      const place = canvas.parentElement; // Vega has named it after its own description
      place.setAttribute("role", "group");
      place.removeAttribute("aria-roledescription");
      place.setAttribute("aria-label", name === "scatter" ? "Scatter of all runs that fit: arrow keys move A, with shift B" : "Learning curves of A and B");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", name === "scatter" ? `${state.fits.length} runs, parameters against best accuracy. ${both}` : `Learning curves: ${state.kind}. ${both}`);
    }

    function drawAll() {
      draw("scatter");
      draw("curves");
    }

    parts.charts.scatter.addEventListener("keydown", step);
    filter(true);
    compare();
    drawAll();
    let drawing = null;
    new MutationObserver(() => {
      clearTimeout(drawing);
      drawing = setTimeout(drawAll, 30);
    }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  }

  // the parts of the page that exist only with this script

  function build(root, data, columns, state, act) {
    const scroll = root.querySelector(".np-explorer-scroll");
    const body = scroll.querySelector("tbody");
    const heads = {};
    const cells = scroll.querySelectorAll("thead th");
    Object.keys(data.heads)
      .slice(0, cells.length)
      .forEach((name, k) => {
        const button = element("button", { type: "button", class: "np-sort" }, cells[k].textContent);
        button.addEventListener("click", () => act.order(name));
        cells[k].replaceChildren(button);
        heads[name] = cells[k];
      });
    scroll.querySelector("thead tr").prepend(element("th", { scope: "col" }, "compare"));
    const charts = { scatter: chart("Click a point for A, with shift for B; or use the arrow keys"), curves: chart(kinds(state, act)) };
    charts.scatter.place.setAttribute("tabindex", "0");
    const said = element("p", { class: "np-explorer-said", role: "status" });
    const back = button("Back", () => act.turn(-1));
    const forth = button("Next", () => act.turn(1));
    const compared = element("tbody", {});
    const chosen = controls(columns, state, act);
    root.prepend(
      chosen.made,
      element("div", { class: "np-explorer-charts" }, charts.scatter.frame, charts.curves.frame),
      element("div", { class: "np-explorer-pages" }, said, element("div", {}, back, forth))
    );
    root.append(comparison(compared));
    root.classList.add("np-explorer-live");
    const places = Object.fromEntries(Object.entries(charts).map(([name, made]) => [name, made.place]));
    return { body, heads, said, back, forth, compared, charts: places, selects: chosen.selects };
  }

  function controls(columns, state, act) {
    const made = element("div", { class: "np-explorer-controls" });
    const selects = {};
    const names = { paper: "Paper", dataset: "Data set", model: "Network, block, level", method: "Method", edition: "Edition" };
    for (const name of FILTERS) {
      const different = Array.from(new Set(columns[name])).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      if (different.length < 2) continue;
      const select = element("select", {}, element("option", { value: "" }, "all"));
      for (const text of different) select.append(element("option", { value: text }, text));
      select.value = state.filters[name] || "";
      selects[name] = select;
      select.addEventListener("change", () => {
        state.filters[name] = select.value;
        act.filter();
      });
      made.append(element("label", {}, names[name], select));
    }
    const words = element("input", { type: "search", placeholder: "block3 thawed" });
    words.value = state.words;
    words.addEventListener("input", () => {
      state.words = words.value;
      act.filter();
    });
    made.append(element("label", {}, "Words in the name", words));
    made.append(
      button("Show all", () => {
        state.filters = {};
        state.words = words.value = "";
        for (const select of Object.values(selects)) select.value = "";
        act.filter();
      })
    );
    return { made, selects };
  }

  function chart(title) {
    const place = element("div", { class: "np-explorer-chart" });
    return { place, frame: element("div", { class: "np-explorer-frame" }, element("p", { class: "np-explorer-title" }, title), place) };
  }

  function kinds(state, act) {
    const select = element("select", { "aria-label": "What the curves show" });
    for (const kind of ["accuracy", "loss"]) select.append(element("option", { value: kind }, `Learning curves: ${kind}`));
    select.value = state.kind;
    select.addEventListener("change", () => act.show(select.value));
    return select;
  }

  function comparison(body) {
    const head = element("tr", {}, element("td", {}));
    for (const text of ["A", "B", "B − A"]) head.append(element("th", { scope: "col" }, text));
    const table = element("table", { class: "dataframe np-table" }, element("thead", {}, head), body);
    const scroll = element("div", { class: "np-scroll", tabindex: "0", role: "region", "aria-label": "Table: the records of A and B" }, table);
    return element("div", { class: "np-explorer-frame" }, element("p", { class: "np-explorer-title" }, "The records of A and B"), scroll);
  }

  function button(text, act) {
    const made = element("button", { type: "button" }, text);
    made.addEventListener("click", act);
    return made;
  }

  function element(name, attributes, ...content) {
    const made = document.createElement(name);
    for (const [key, held] of Object.entries(attributes)) made.setAttribute(key, held);
    made.append(...content);
    return made;
  }

  // numbers and colours

  function spoken(held) {
    if (held === null || held === undefined) return "–";
    return typeof held === "number" ? held.toLocaleString("en", { maximumFractionDigits: 5 }).replace("-", "−") : String(held);
  }

  function signed(difference) {
    const text = spoken(Number(difference.toPrecision(6)));
    return difference > 0 ? `+${text}` : text;
  }

  function change(view, name, rows) {
    view.data(name, rows).run();
  }

  function painted(specification, root) {
    const page = getComputedStyle(root);
    const text = JSON.stringify(specification).replace(/"var:([\w-]+)"/g, (_, name) =>
      JSON.stringify(name === "ink" ? page.color : page.getPropertyValue(name).trim())
    );
    return JSON.parse(text);
  }

  function theme(root) {
    const page = getComputedStyle(root);
    const ink = page.color;
    const grid = page.getPropertyValue("--np-grid").trim();
    const words = { labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" };
    return {
      background: null,
      font: page.fontFamily,
      axis: { ...words, gridColor: grid, domainColor: ink, tickColor: ink },
      legend: { ...words, symbolStrokeColor: ink },
    };
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
