// The finder: filters the table of all layers, and searches settings that turn one shape into
// another. Candidates follow layerref.settings_for; each answer was confirmed by the layer's rule.
"use strict";

(() => {
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const MOST_SHOWN = 3;
  const MOST_TRIED = 1000;
  const SPANS = 8;
  const range = (first, end) => Array.from({ length: Math.max(end - first, 0) }, (_, n) => first + n);

  // ------------------------------------------------ shapes in numbers or letters
  // Letters stand for any size; two sets of sizes are tried, and an answer has to hold for both.
  const USUAL = {
    N: [4, 6], C: [12, 24], L: [48, 80], S: [20, 36], D: [16, 48], H: [32, 64], W: [40, 112],
    E: [64, 96],
  };

  function readSizes(text) {
    const inside = text.trim().replace(/^[([]/, "").replace(/[)\]]$/, "").replace(/,$/, "").trim();
    return inside ? inside.split(",").map((part) => part.trim()) : [];
  }

  function valueOf(part, which) {
    const names = [];
    const source = part
      .replace(/(\d)\s*(?=[A-Za-z(])/g, "$1*")
      .replace(/\b[A-Za-z]\w*/g, (name) => {
        names.push(name);
        return `(${USUAL[name]?.[which] ?? [24, 56][which]})`;
      });
    if (!/^[\d\s+*/()-]+$/.test(source)) throw new Error(`${part} is no size: write 32, H, 2H or H/2`);
    let value;
    try {
      value = Function(`return ${source}`)();
    } catch {
      throw new Error(`${part} is no size: write 32, H, 2H or H/2`);
    }
    if (!Number.isSafeInteger(value) || value < 1)
      throw new Error(`${part} is no whole number from 1 on${names.length ? " for usual sizes" : ""}`);
    return value;
  }

  // ------------------------------------------------ candidates for one axis, the plainest first
  const compare = (a, b) => {
    const n = a.findIndex((value, n) => value !== b[n]);
    return n < 0 ? 0 : Number(a[n]) - Number(b[n]);
  };

  function kernels(shortest, longest, s, d) {
    const first = Math.max(shortest, Math.min(s, longest), 1);
    return range(first, Math.min(longest + 1, first + SPANS * d))
      .filter((span) => (span - 1) % d === 0)
      .map((span) => [(span - 1) / d + 1, span]);
  }

  function windowed(i, o, dilations) {
    const found = [];
    for (const d of dilations)
      for (const p of range(0, Math.max(3, o - i) + 1))
        for (const s of range(1, o > 1 ? Math.floor((i + 2 * p) / o) + 2 : 2)) {
          const longest = i + 2 * p - (o - 1) * s;
          for (const [k, span] of kernels(i + 2 * p - o * s + 1, longest, s, d)) {
            const unseen = (s > span && o > 1) || longest - span > p;
            const key = [unseen, p > Math.floor(span / 2), d > 1, k + s + p, k, s, p, d];
            if (k > 1 || d === 1) found.push(key);
          }
        }
    return found.sort(compare).map(([, , , , k, s, p, d]) => {
      const settings = { kernel_size: k, stride: s, padding: p };
      return dilations.length > 1 ? { ...settings, dilation: d } : settings;
    });
  }

  function transposed(i, o) {
    const found = [];
    for (const d of [1, 2])
      for (const p of range(0, Math.max(3, i - o) + 1))
        for (const s of range(1, Math.floor((o + 2 * p) / i) + 2))
          for (const more of range(0, Math.min(Math.max(s, d), 4))) {
            const span = o - (i - 1) * s + 2 * p - more;
            for (const [k] of kernels(span, span, s, d))
              if (k > 1 || d === 1)
                found.push([s > span && i > 1, d > 1, k + s + p + 2 * more, k, s, p, more, d]);
          }
    return found.sort(compare).map(([, , , k, s, p, more, d]) => ({
      ...{ kernel_size: k, stride: s, padding: p, output_padding: more, dilation: d },
    }));
  }

  const CANDIDATES = {
    window: (i, o) => windowed(i, o, [1, 2, 3]),
    undilated: (i, o) => windowed(i, o, [1]),
    transposed,
    padding: (i, o) => [{ padding: [Math.floor((o - i) / 2), Math.ceil((o - i) / 2)] }],
    scale: (i, o) => [...(o % i ? [] : [{ scale_factor: o / i }]), { size: o }],
    size: (i, o) => [{ output_size: o }],
    fractional: (i, o) =>
      range(0, Math.ceil(i / o)).map((n) => ({ kernel_size: Math.ceil(i / o) - n, output_size: o })),
  };

  // Settings that serve every axis alike, then those that set each axis by itself.
  function joint(how, before, after) {
    const perAxis = before.map((i, n) => CANDIDATES[how](i, after[n]).slice(0, MOST_TRIED));
    const keys = perAxis.map((list) => new Set(list.map((one) => JSON.stringify(one))));
    const [first, ...others] = perAxis;
    const alike = first.filter((one) => keys.every((set) => set.has(JSON.stringify(one))));
    const names = (one) => Object.keys(one).join();
    const equal = before.every((i, n) => i === before[0] && after[n] === after[0]);
    const mixed = (equal ? [] : first)
      .map((one) => [one, ...others.map((list) => list.find((c) => names(c) === names(one)))])
      .filter((parts) => parts.every(Boolean));
    const join = (parts) =>
      Object.fromEntries(
        Object.keys(parts[0]).map((name) => {
          const values = parts.map((part) => part[name]);
          const all = how === "padding" ? values.reverse().flat() : values; // the last axis first
          return [name, all.every((value) => value === all[0]) ? all[0] : all];
        }),
      );
    const joined = [...alike.map((one) => before.map(() => one)), ...mixed].map(join);
    const seen = new Set();
    return joined.filter((one) => {
      const key = JSON.stringify(one);
      return !seen.has(key) && seen.add(key);
    });
  }

  // ------------------------------------------------ one layer
  // What follows from the shapes themselves.
  function bound(rule, layout, have, want) {
    const channel = layout.findIndex((letter) => letter.startsWith("C"));
    const [last, lastWanted] = [have.at(-1), want.at(-1)];
    const values = {
      ...{ in_channels: have[channel], out_channels: want[channel] },
      depth_multiplier: want[channel] / have[channel],
      ...{ num_features: have[channel], num_channels: have[channel], normalized_shape: last },
      ...{ d_model: last, in_features: last, out_features: lastWanted, input_size: last },
      ...{ hidden_size: lastWanted, embedding_dim: lastWanted },
    };
    if (rule.name === "SeparableConv2d") values.depth_multiplier = 1;
    const share = (name, size) => {
      const start = Number(rule.fields.find((field) => field.name === name)?.start ?? 1);
      if (size % start) values[name] = 1;
    };
    share("num_groups", have[channel]);
    for (const name of ["nhead", "h"]) share(name, last);
    return values;
  }

  // The layout that a shape has. Without a batch only if letters say so: (8, 64, 56, 56) is a batch
  // of images and no volume.
  function layoutFor(layouts, rank, batched) {
    const split = layouts.map((one) => one.split(" "));
    return (
      split.find((axes) => axes.length === rank && (axes.includes("N") || !batched))
      ?? split.find((axes) => axes[0] === "*" && axes.length <= rank + 1)
    );
  }

  function ask(rule, have, settings) {
    const given = {};
    for (const input of rule.inputs) given[input.name] = have.join(", ");
    for (const field of rule.fields)
      given[field.name] = field.kind === "bool" ? Boolean(field.start) : field.start;
    if ("size" in settings) given.scale_factor = "";
    if ("output_size" in settings) given.output_ratio = "";
    for (const [name, value] of Object.entries(settings))
      if (name in given) given[name] = Array.isArray(value) ? value.join(", ") : String(value);
    return [layerref.ask(rule, given), given];
  }

  function fits(rule, layout, have, want, settings) {
    const [answer] = ask(rule, have, { ...bound(rule, layout, have, want), ...settings });
    if (!answer.output) return false;
    const output = Array.isArray(answer.output[0]) ? answer.output[0] : answer.output;
    return output.length === want.length && output.every((size, n) => Number(size) === want[n]);
  }

  // Return settings that turn ``have`` into ``want``: lists of shapes, all of which have to agree.
  async function search(name, { how, layouts }, have, want, batched) {
    const layout = layoutFor(layouts, have[0].length, batched);
    if (!layout) return [];
    const rule = await layerref.load(name);
    let candidates = [{}];
    if (CANDIDATES[how]) {
      if (have[0].length !== want[0].length) return [];
      const axes = rule.axes.length || have[0].length - 2;
      if (axes < 1) return [];
      candidates = joint(how, have[0].slice(-axes), want[0].slice(-axes));
    }
    const found = [];
    for (const settings of candidates.slice(0, MOST_TRIED)) {
      if (have.every((shape, n) => fits(rule, layout, shape, want[n], settings))) found.push(settings);
      if (found.length === MOST_SHOWN) break;
    }
    return found.map((settings) => {
      const [, given] = ask(rule, have[0], { ...bound(rule, layout, have[0], want[0]), ...settings });
      const question = new URLSearchParams({ layer: name });
      for (const field of [...rule.inputs, ...rule.fields]) {
        const start = field.kind === "bool" ? Boolean(field.start) : field.start;
        if (given[field.name] !== start) question.set(field.name, given[field.name]);
      }
      const usual = (name) => rule.fields.find((field) => field.name === name).default;
      const words = Object.entries(settings)
        .filter(([name, value]) => String(value) !== usual(name))
        .map(([name, value]) => `${name}=${Array.isArray(value) ? `(${value.join(", ")})` : value}`);
      return { text: words.join(", "), question: `#try?${question}` };
    });
  }

  // ------------------------------------------------ the form
  const FILTERS = {
    changes: [1, "changes", ["channels", "features", "size", "axes", "nothing"]],
    parameters: [2, "has parameters", ["yes", "no"]],
    mode: [3, "train and eval", ["same", "differs", "random"]],
    order: [4, "blind to order", ["yes", "no"]],
  };

  function start(root) {
    const layers = JSON.parse(root.dataset.layers);
    const table = document.querySelector("table.all-layers");
    const rows = [...table.tBodies[0].rows];
    const field = (label, input) =>
      make("div", { class: "field" }, make("label", { for: input.id }, label), input);
    const text = (id, value) => {
      const free = { type: "text", autocomplete: "off", spellcheck: "false" };
      const input = make("input", { id, ...free, "aria-describedby": "find-hint" });
      input.value = value;
      return input;
    };
    const have = text("find-have", "N, C, H, W");
    const want = text("find-want", "N, C, 2H, 2W");
    const selects = Object.fromEntries(
      Object.entries(FILTERS).map(([name, [, , words]]) => {
        const options = ["any", ...words].map((word) => make("option", { value: word }, word));
        return [name, make("select", { id: `find-${name}` }, ...options)];
      }),
    );
    const hint = make("p", { class: "hint", id: "find-hint" });
    hint.textContent =
      "Sizes as numbers (8, 64, 56, 56), or as letters where any size will do: H, 2H, H/2, C*H*W. " +
      "Numbers have a batch axis; for a shape without one write letters, C, H, W. " +
      "Leave a field empty to use the filters alone.";
    const shapes = make("div", { class: "fields two" }, field("I have", have), field("I want", want));
    const filters = make("div", { class: "fields" });
    for (const [name, [, label]] of Object.entries(FILTERS)) filters.append(field(label, selects[name]));
    const settings = make("fieldset", {}, make("legend", {}, "Question"), shapes, hint, filters);
    const status = make("p", { role: "status", class: "count" });
    const list = make("ul", { class: "found" });
    const form = make("form", { class: "calculator finder" }, settings, status, list);
    root.replaceChildren(form);
    let turn = 0;

    async function update() {
      const mine = ++turn;
      root.dataset.busy = "yes";
      const left = rows.filter((row) => {
        const good = Object.entries(FILTERS).every(([name, [column]]) => {
          const wanted = selects[name].value;
          return wanted === "any" || row.cells[column].textContent.trim().split(", ").includes(wanted);
        });
        row.hidden = !good;
        return good;
      });
      const parts = [readSizes(have.value), readSizes(want.value)];
      let message = `${left.length} of ${rows.length} layers pass the filters.`;
      const items = [];
      let wrong = false;
      if (parts.every((sizes) => sizes.length)) {
        try {
          const letters = parts.flat().some((part) => /[A-Za-z]/.test(part));
          const batched = !letters || parts[0].includes("N") || !/[A-Z]/.test(parts[0].join());
          const [before, after] = parts.map((sizes) =>
            (letters ? [0, 1] : [0]).map((which) => sizes.map((part) => valueOf(part, which))),
          );
          for (const row of left) {
            const link = row.cells[0].querySelector("a");
            const name = link.textContent.trim();
            const found = await search(name, layers[name], before, after, batched);
            if (mine !== turn) return; // a newer question was typed
            row.hidden = !found.length;
            if (found.length) {
              const page = link.getAttribute("href");
              const links = found.map(({ text, question }) =>
                make("li", {}, make("a", { href: page + question }, text || "as it is")),
              );
              items.push(make("li", {}, make("code", {}, name), make("ul", {}, ...links)));
            }
          }
          const [one, other] = parts.map((sizes) => `(${sizes.join(", ")})`);
          message = items.length
            ? `${items.length} of ${left.length} layers turn ${one} into ${other}.`
            : `None of ${left.length} layers turns ${one} into ${other} by itself: combine two.`;
        } catch (error) {
          if (!/^.* is no /.test(error.message)) throw error;
          wrong = true;
          message = error.message;
        }
      }
      for (const input of [have, want]) input.setAttribute("aria-invalid", wrong);
      list.replaceChildren(...items);
      status.textContent = message;
      root.dataset.busy = "no";
    }

    const remember = () => {
      const question = new URLSearchParams({ have: have.value, want: want.value });
      for (const [name, select] of Object.entries(selects))
        if (select.value !== "any") question.set(name, select.value);
      history.replaceState(null, "", `#find?${question}`);
    };
    const follow = () => {
      if (!location.hash.startsWith("#find?")) return;
      const question = new URLSearchParams(location.hash.slice(6));
      have.value = question.get("have") ?? "";
      want.value = question.get("want") ?? "";
      for (const [name, select] of Object.entries(selects)) select.value = question.get(name) ?? "any";
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      remember();
      update();
    });
    addEventListener("hashchange", () => {
      follow();
      update();
    });
    follow();
    update();
  }

  document.querySelectorAll(".layer-finder").forEach(start);
})();
