// Try it: asks a layer's rule (rules.js) as a person types, words refusals as Python does, draws
// what each output sees along one axis, and keeps the question in the address of the page.
"use strict";

(() => {
  const make = (tag, attributes = {}, ...children) => {
    const svg = ["svg", "g", "rect", "circle", "line", "text"].includes(tag);
    const element = svg
      ? document.createElementNS("http://www.w3.org/2000/svg", tag)
      : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const id = (name) => `try-${name}`;

  // ------------------------------------------------ one field of the form
  function control(field) {
    const own = { id: id(field.name), name: field.name };
    let input;
    if (field.kind === "bool") {
      input = make("input", { ...own, type: "checkbox" });
      input.checked = field.start;
    } else if (field.kind === "choice" || field.kind === "layer") {
      const options = field.words.map((word) =>
        make("option", { value: word }, word === "-" ? "None" : word),
      );
      input = make("select", own, ...options);
      input.value = field.start;
    } else {
      const free = { autocomplete: "off", spellcheck: "false", placeholder: field.default ?? "" };
      input = make("input", { ...own, type: "text", ...free });
      input.value = field.start;
      input.addEventListener("keydown", step);
    }
    const label = make("label", { for: own.id }, field.name);
    if (field.layouts) {
      const layouts = field.layouts.map((l) => (l === "*" ? "any number of axes" : `(${l})`));
      label.append(" ", make("small", {}, layouts.join(" or ")));
    }
    const wide = field.layouts ? " wide" : "";
    return [input, make("div", { class: `field ${field.kind ?? "shape"}${wide}` }, label, input)];
  }

  // Up and Down change the number at the cursor.
  function step(event) {
    const change = { ArrowUp: 1n, ArrowDown: -1n }[event.key];
    if (!change) return;
    event.preventDefault();
    const input = event.target;
    const text = input.value || input.placeholder;
    const at = input.value ? input.selectionStart : 0;
    for (const match of text.matchAll(/-?\d+(?![\d.])/g)) {
      const end = match.index + match[0].length;
      if (end < at || text[match.index - 1] === ".") continue;
      const next = String(BigInt(match[0]) + change);
      input.value = text.slice(0, match.index) + next + text.slice(end);
      input.setSelectionRange(match.index + next.length, match.index + next.length);
      input.dispatchEvent(new Event("input", { bubbles: true }));
      return;
    }
  }

  // ------------------------------------------------ the picture
  const CELL = 16;
  const LEFT = 70;

  // What each row is and which columns it reaches: outputs over inputs, or, transposed, inputs over
  // outputs. ``before`` and ``after`` are the padded, or cropped, columns.
  function windows(rule, answer, axis) {
    const n = rule.axes.indexOf(axis);
    const value = (name, otherwise) => Number(answer.values[`${name}_${axis}`] ?? otherwise);
    const size = (shape) => Number(shape[shape.length - rule.axes.length + n]);
    const nested = Array.isArray(answer.output[0]) ? answer.output[0] : answer.output;
    const [i, o] = [size(answer.shapes[0]), size(nested)]; // Unfold's o is worked out below
    if (rule.picture === "adaptive")
      return {
        ...{ rows: o, columns: i, before: 0, after: 0, kind: "window" },
        taps: (row) => {
          const first = Math.floor((row * i) / o);
          return Array.from({ length: Math.ceil(((row + 1) * i) / o) - first }, (_, j) => first + j);
        },
      };
    const k = value("kernel_size");
    const s = value("stride", k);
    const d = value("dilation", 1);
    const [before, after] = answer.pads[n].map(Number);
    const taps = (row) => Array.from({ length: k }, (_, j) => row * s - before + j * d);
    if (rule.picture === "transposed") {
      const end = (i - 1) * s + d * (k - 1) + 1 - before;
      return { rows: i, columns: o, before, after: Math.max(end - o, 0), taps, kind: "transposed" };
    }
    const rows = rule.unfolds ? Math.floor((i + before + after - d * (k - 1) - 1) / s) + 1 : o;
    const end = Math.max(...taps(rows - 1)) + 1;
    return { rows, columns: i, before, after, beyond: end - i - after, taps, kind: "window" };
  }

  // All numbers from first to end, or, of many, a head and a tail with a gap between.
  function some(first, end, head, tail) {
    const range = (a, b) => Array.from({ length: b - a }, (_, n) => a + n);
    if (end - first <= head + tail + 1) return range(first, end);
    return [...range(first, first + head), null, ...range(end - tail, end)];
  }

  const span = (numbers) => {
    const runs = [];
    for (const n of numbers)
      if (runs.length && runs.at(-1)[1] === n - 1) runs.at(-1)[1] = n;
      else runs.push([n, n]);
    const words = runs.map(([a, b]) => (a === b ? a : b === a + 1 ? `${a}, ${b}` : `${a} to ${b}`));
    return words.length > 6 ? [...words.slice(0, 3), "…", words.at(-1)].join(", ") : words.join(", ");
  };

  function draw(rule, answer, axis) {
    const w = windows(rule, answer, axis);
    const reach = w.columns + w.after + Math.max(w.beyond ?? 0, 0);
    const columns = some(-w.before, reach, 26, 12);
    const rows = some(0, w.rows, 5, 3);
    const x = (column) => LEFT + columns.indexOf(column) * CELL;
    const width = LEFT + columns.length * CELL + 4;
    const height = (rows.length + 1) * CELL + 2;
    const transposed = w.kind === "transposed";
    const [rowName, columnName] = transposed ? ["input", "output"] : ["output", "input"];
    const svg = make("svg", {
      ...{ viewBox: `0 0 ${width} ${height}`, width, height },
      ...{ role: "img", "aria-labelledby": id("caption") },
    });
    svg.append(make("text", { x: 0, y: CELL - 4 }, columnName));
    columns.forEach((column, n) => {
      const at = LEFT + n * CELL;
      const kind =
        column === null ? "gap"
        : column < 0 || (column >= w.columns && column < w.columns + w.after) ? "padding"
        : column >= w.columns ? "beyond" : "inside";
      if (kind === "inside")
        svg.append(make("text", { x: at + CELL / 2, y: CELL - 4, class: "index" }, String(column)));
      rows.forEach((row, m) => {
        const box = { x: at, y: (m + 1) * CELL, width: CELL, height: CELL };
        svg.append(make("rect", { ...box, class: row === null ? "gap" : kind }));
      });
    });
    const seen = rows.filter((row) => row !== null).map((row) => [row, w.taps(row)]);
    rows.forEach((row, m) => {
      const y = (m + 1.5) * CELL;
      if (row === null) return svg.append(make("text", { x: 48, y: y + 4, class: "index" }, "⋮"));
      const taps = w.taps(row);
      const inside = taps.filter((t) => t >= 0 && t < w.columns);
      const group = make("g", { "data-row": row, "data-sees": inside.join() });
      group.append(make("text", { x: 0, y: y + 4 }, `${rowName} ${row}`));
      const shown = taps.filter((t) => columns.includes(t));
      if (shown.length > 1)
        group.append(
          make("line", { x1: x(shown[0]) + 8, x2: x(shown.at(-1)) + 8, y1: y, y2: y }),
        );
      for (const tap of shown) {
        const real = tap >= 0 && tap < w.columns;
        const dot = { cx: x(tap) + CELL / 2, cy: y, r: 5, class: real ? "tap" : "tap empty" };
        group.append(make("circle", dot));
      }
      svg.append(group);
    });
    // in words: the rows that are drawn, and what no row reaches
    const verb = transposed ? "adds to" : "sees";
    const said = seen.slice(0, 2).concat(seen.length > 2 ? seen.slice(-1) : []);
    const sentences = said.map(([row, taps]) => {
      const inside = taps.filter((t) => t >= 0 && t < w.columns);
      const outside = taps.length - inside.length;
      const what = transposed ? "cropped" : "outside the input";
      const more = outside ? ` (${outside} of its ${taps.length} taps ${what})` : "";
      return `${rowName} ${row} ${verb} ${inside.length ? span(inside) : "no " + columnName}${more}`;
    });
    let text = `${rule.axes.length > 1 ? `Axis ${axis}: ` : ""}${sentences.join("; ")}.`;
    if (w.rows <= 5000 && w.columns <= 5000) {
      const reached = new Set();
      for (let row = 0; row < w.rows; row++) for (const tap of w.taps(row)) reached.add(tap);
      const missed = Array.from({ length: w.columns }, (_, n) => n).filter((n) => !reached.has(n));
      const by = transposed ? "Nothing but the bias reaches" : "No output sees";
      if (missed.length) text += ` ${by} ${columnName} ${span(missed)}.`;
    }
    const legend = ["● a tap"];
    if (w.before > 0 || w.after > 0)
      legend.push(transposed ? "hatched: cropped by padding" : "hatched: padding");
    if (w.beyond > 0) legend.push("dashed: beyond the padding, by ceil_mode");
    return [svg, `${text[0].toUpperCase()}${text.slice(1)} ${legend.join(", ")}.`];
  }

  // ------------------------------------------------ the form
  function start(root) {
    const names = root.dataset.layers.split(" ");
    let rule, inputs, initial, axis;

    const choose = make("select", { id: id("layer"), name: "layer" });
    choose.append(...names.map((name) => make("option", { value: name }, name)));
    choose.value = root.dataset.start;
    const chooser = make("div", { class: "field" });
    chooser.append(make("label", { for: id("layer") }, "layer"), choose);
    chooser.hidden = names.length === 1;
    const fields = make("div", { class: "fields" });
    const hint = make("p", { id: id("hint"), class: "hint" });
    const settings = make("fieldset", {}, make("legend", {}, "Settings"), chooser, fields, hint);
    const answers = make("dl");
    const error = make("p", { id: id("error"), class: "error" });
    const live = make("div", { "aria-live": "polite", "aria-atomic": "true" }, answers, error);
    const call = make("code");
    const link = make("a", { class: "permalink" }, "Link to this question");
    const python = make("p", { class: "call" }, call, " ", link);
    const axes = make("select", { id: id("axis") });
    const axisLabel = make("label", { for: id("axis") }, "axis drawn ", axes);
    const canvas = make("div", { class: "canvas", role: "group", tabindex: "0" });
    canvas.setAttribute("aria-label", "picture, may scroll sideways");
    const caption = make("figcaption", { id: id("caption") });
    const figure = make("figure", {}, axisLabel, canvas, caption);
    const form = make("form", { class: "calculator" }, settings, live, python, figure);

    const given = () => {
      const values = {};
      for (const [name, input] of Object.entries(inputs))
        values[name] = input.type === "checkbox" ? input.checked : input.value;
      return values;
    };

    // What differs from the page's own start.
    const question = (values) => {
      const search = new URLSearchParams();
      if (names.length > 1) search.set("layer", rule.name);
      for (const [name, value] of Object.entries(values))
        if (value !== initial[name]) search.set(name, value === true ? 1 : value === false ? 0 : value);
      return `#try?${search}`;
    };

    const asPython = (values) => {
      const { read, show } = layerref;
      const shapes = rule.inputs.map((input) => {
        const shape = read(values[input.name]);
        return show(typeof shape === "bigint" ? [shape] : (shape ?? []));
      });
      const args = [`"${rule.name}"`, shapes.length > 1 ? `(${shapes.join(", ")})` : shapes[0]];
      const inner = {};
      for (const field of rule.fields) {
        const value = values[field.name];
        let text;
        if (field.kind === "bool") {
          if (value !== Boolean(Number(field.default ?? 0))) text = value ? "True" : "False";
        } else if (field.name === "norm") {
          const width = `{"normalized_shape": ${values.d_model}}`;
          if (value !== "-") text = width;
        } else if (field.kind === "choice") {
          if (value !== field.default) text = `"${value}"`;
        } else if (value.trim() && value.trim() !== field.default) {
          const typed = read(value);
          text = typeof typed === "string" ? `"${typed}"` : show(typed);
        }
        if (text === undefined) continue;
        if (field.of) (inner[field.of] ??= []).push(`"${field.name}": ${text}`);
        else args.push(`${field.name}=${text}`);
      }
      for (const [name, items] of Object.entries(inner)) args.push(`${name}={${items.join(", ")}}`);
      for (const [name, value] of Object.entries(rule.fixed)) args.push(`${name}=${value}`);
      return `output_shape(${args.join(", ")})`;
    };

    const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
    function update() {
      const values = given();
      const answer = layerref.ask(rule, values);
      const rows = [
        ["Output shape", answer.output && layerref.show(answer.output)],
        ["Parameters", answer.parameters !== undefined && grouped(answer.parameters)],
        ["FLOPs", answer.flops !== undefined && grouped(answer.flops)],
      ];
      const pairs = rows.map(([term, text]) =>
        make("div", {}, make("dt", {}, term), make("dd", {}, text || "—")),
      );
      answers.replaceChildren(...pairs);
      error.textContent = answer.error ?? "";
      error.hidden = !answer.error;
      for (const [name, input] of Object.entries(inputs)) {
        const wrong = Boolean(answer.fields?.includes(name));
        input.setAttribute("aria-invalid", wrong);
        const described = [input.type === "text" && id("hint"), wrong && id("error")].filter(Boolean);
        if (described.length) input.setAttribute("aria-describedby", described.join(" "));
        else input.removeAttribute("aria-describedby");
      }
      call.textContent = asPython(values);
      link.href = question(values);
      figure.hidden = !rule.picture || !answer.output || answer.output.flat().includes(0n);
      if (!figure.hidden) {
        const [svg, text] = draw(rule, answer, axis);
        canvas.replaceChildren(svg);
        caption.textContent = text;
      }
      root.dataset.layer = rule.name; // what is shown, for those who wait for it
    }

    async function show(name, values = {}) {
      rule = await layerref.load(name);
      choose.value = name;
      inputs = {};
      const boxes = [...rule.inputs, ...rule.fields].map((field) => {
        const [input, box] = control(field);
        inputs[field.name] = input;
        return box;
      });
      initial = given();
      for (const [name, value] of Object.entries(values)) {
        const input = inputs[name];
        if (input?.type === "checkbox") input.checked = value === "1";
        else if (input) input.value = value;
      }
      fields.replaceChildren(...boxes);
      const typed = Object.values(inputs).some((input) => input.type === "text");
      const defaults = rule.fields.some((field) => field.default && field.kind !== "bool");
      const perAxis = rule.fields.some((field) => field.kind === "axes");
      const worded = rule.fields.find((field) => field.kind === "axes" && field.words);
      hint.textContent =
        "Arrow up and down change the number at the cursor." +
        (perAxis && rule.axes.length > 1 ? " One number for all axes, or one for each: 3, 5." : "") +
        (worded ? ` ${worded.name} may be a word, ${worded.words.join(" or ")}.` : "") +
        (defaults ? " An empty field takes the default." : "");
      hint.hidden = !typed;
      axes.replaceChildren(...rule.axes.map((axis) => make("option", { value: axis }, axis)));
      axis = rule.axes.at(-1);
      axes.value = axis;
      axisLabel.hidden = rule.axes.length < 2;
      update();
      if (!form.isConnected) root.replaceChildren(form); // whole, so that nothing in it moves
    }

    async function follow() {
      if (!location.hash.startsWith("#try?")) return false;
      const values = Object.fromEntries(new URLSearchParams(location.hash.slice(5)));
      const { layer, ...others } = values;
      await show(names.includes(layer) ? layer : root.dataset.start, others);
      root.closest("section").scrollIntoView();
      return true;
    }

    const remember = () => history.replaceState(null, "", question(given()));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", async (event) => {
      if (event.target === axes) axis = axes.value;
      if (event.target === choose) await show(choose.value);
      else update();
      if (event.target !== axes) remember();
    });
    addEventListener("hashchange", follow);
    // Asked in the address, or when the reader comes near, or takes to the keyboard.
    const begin = () => form.isConnected || show(root.dataset.start);
    const near = new IntersectionObserver(
      ([{ isIntersecting }]) => isIntersecting && begin(),
      { rootMargin: "200px" },
    );
    const wait = () => {
      near.observe(root);
      addEventListener("keydown", begin, { once: true });
    };
    follow().then((followed) => followed || wait());
  }

  document.querySelectorAll(".layer-calculator").forEach(start);
})();
