// The rules of the layers, asked in a browser. A script in rules/ holds what SymPy printed of one
// layer's rule (docs/_ext/rule_scripts.py); here it is read, asked, and its refusals are worded.
// Whole numbers are BigInt all along, so sizes, parameters and FLOPs are exact.
"use strict";

window.layerref = (() => {
  const folder = new URL("rules/", document.currentScript.src);
  const loading = {};
  const waiting = {};

  // ------------------------------------------------ what the printed expressions call
  const F = (a, b) => (a % b !== 0n && a < 0n !== b < 0n ? a / b - 1n : a / b); // floor
  const C = (a, b) => -F(-a, b); // ceiling
  const M = (a, b) => a - b * F(a, b); // Python's %
  const lo = (...values) => values.reduce((a, b) => (b < a ? b : a));
  const hi = (...values) => values.reduce((a, b) => (b > a ? b : a));
  const T = (size, factor) => (isInt(factor) ? size * factor : Number(size) * factor); // as torch
  const R = (size, factor) => BigInt(isInt(factor) ? T(size, factor) : Math.floor(T(size, factor)));

  function load(name) {
    loading[name] ??= new Promise((resolve, reject) => {
      waiting[name] = resolve;
      const element = document.createElement("script");
      element.src = new URL(name + ".js", folder);
      element.onerror = () => reject(new Error(`${element.src} is missing`));
      document.head.append(element);
    });
    return loading[name];
  }

  function define(rule) {
    rule.compiled = [];
    waiting[rule.name](rule);
  }

  // ------------------------------------------------ reading what a person types
  function readNumber(text) {
    if (/^[+-]?\d+$/.test(text)) return BigInt(text);
    if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text);
    return /^none$/i.test(text) ? null : undefined;
  }

  // A number, null for None, an array for a tuple, undefined for nothing, else the text itself.
  function read(text) {
    const bare = text.trim();
    if (!bare) return undefined;
    const one = readNumber(bare);
    if (one !== undefined) return one;
    const inside = bare.replace(/^[([]/, "").replace(/[)\]]$/, "").trim();
    const items = inside ? inside.replace(/,$/, "").split(",").map((t) => readNumber(t.trim())) : [];
    return items.includes(undefined) ? bare.replace(/^["']|["']$/g, "") : items;
  }

  // As Python's repr.
  function show(value, inside = false) {
    if (Array.isArray(value)) {
      const items = value.map((v) => show(v, true));
      return `(${items.join(", ")}${items.length === 1 ? "," : ""})`;
    }
    if (value === null) return "None";
    if (typeof value === "number" && Number.isInteger(value)) return value.toFixed(1);
    return typeof value === "string" && inside ? `'${value}'` : String(value);
  }

  class Refused extends Error {
    constructor(message, fields) {
      super(message);
      this.fields = fields;
    }
  }

  const isInt = (v) => typeof v === "bigint";
  const isNumber = (v) => isInt(v) || typeof v === "number";

  // Read one field: the token of its form, and the values of its symbols.
  function readField(rule, field, given, values) {
    const refuse = (text) => {
      throw new Refused(`${rule.name}: ${text}`, [field.name]);
    };
    const { name, kind } = field;
    if (kind === "bool") {
      values[name] = given ? 1n : 0n;
      return field.tokens[0] === "#" ? "#" : given ? "1" : "0";
    }
    let value = kind === "choice" || kind === "layer" ? given : read(given);
    if (value === undefined) value = read(field.default ?? "");
    if (value === undefined) return undefined;
    if (value === null && field.optional) return "-";
    if (kind === "layer") return value;
    if (field.words && typeof value === "string") {
      if (field.words.includes(value)) return value;
      const words = field.words.map((word) => `'${word}'`).join(", ");
      refuse(`${name} is one of ${words}, got '${value}'`);
    }
    const fits = kind === "ratios" ? isNumber : isInt;
    const all = Array.isArray(value) ? value : [value];
    const takes = (got) => refuse(`${name} takes ${field.takes}, got ${got}`);
    if (!all.every((v) => fits(v) || (v === null && field.optional))) takes(show(value, true));
    if (Array.isArray(value) && kind === "int") takes(show(value));
    if (field.length) {
      if (Array.isArray(value) && value.length !== field.length) {
        const got = `${value.length} values, ${show(value)}`;
        takes(`${got}: write one number, or exactly ${field.length}`);
      }
      if (!Array.isArray(value)) value = Array(field.length).fill(value);
    } else if (kind === "sizes") value = all;
    if (!Array.isArray(value)) {
      values[name] = value;
      if (field.tokens.includes(String(value))) return String(value);
      return field.tokens.includes("0") && Number(value) === 0 ? "0" : "#";
    }
    value.forEach((v, n) => (values[`${name}_${field.axes ? field.axes[n] : n}`] = v));
    const form = value.map((v) => (v === null ? "-" : v === -1n && kind === "sizes" ? "-1" : "#"));
    if (kind === "pads") return "#";
    const token = (parts) => parts.map((part) => part + ",").join("");
    return field.tokens.includes(token(form)) ? token(form) : token(form.map(() => "#"));
  }

  function readShape(rule, input, text) {
    const refuse = (words) => {
      throw new Refused(`${rule.name}: ${words}`, [input.name]);
    };
    let shape = read(text);
    if (isInt(shape)) shape = [shape];
    if (shape === undefined) refuse(`give the shape of the ${input.name}`);
    if (!Array.isArray(shape) || !shape.every(isInt))
      refuse(`a shape is a tuple of ints, such as (8, 3, 32, 32), got ${show(shape, true)}`);
    if (shape.some((size) => size < 0n))
      refuse(`a size is at least 0, got the shape ${show(shape)}`);
    return shape;
  }

  // ------------------------------------------------ asking
  function ask(rule, given) {
    const values = {};
    const evaluate = (place) => {
      if (place === null || typeof place === "boolean") return place;
      if (Array.isArray(place)) return place.map(evaluate);
      if (typeof place === "object") return place.text;
      const names = Object.keys(values).join();
      const known = (rule.compiled[place] ??= {});
      known[names] ??= new Function(
        ...["F", "C", "M", "lo", "hi", "T", "R"], ...Object.keys(values),
        `return ${rule.expressions[place]}`,
      );
      return known[names](F, C, M, lo, hi, T, R, ...Object.values(values));
    };
    const demand = (list) => {
      for (const [holds, text, shown] of rule.lists[list].map((n) => rule.needs[n])) {
        let good;
        try {
          good = evaluate(holds);
        } catch (error) {
          if (!(error instanceof RangeError)) throw error; // nothing is divisible by 0
        }
        if (good) continue;
        const words = rule.texts[text].replace(/{(\w+)}/g, (_, name) => show(evaluate(shown[name])));
        const used = typeof holds === "number" ? rule.expressions[holds] : "";
        const names = [...rule.fields, ...rule.inputs].map((field) => field.name);
        const letters = rule.inputs.length === 1 ? "x" : "abc";
        const blamed = new Set(
          (used.match(/[a-z]\w*/gi) ?? []).flatMap((symbol) => {
            const own = names.filter((name) => symbol === name || symbol.startsWith(name + "_"));
            const which = /^[xabc]\d$/.test(symbol) ? letters.indexOf(symbol[0]) : -1;
            return which < 0 ? own.slice(-1) : [rule.inputs[which].name];
          }),
        );
        throw new Refused(`${rule.name}: ${words}`, [...blamed]);
      }
    };

    const answer = { values };
    try {
      let index = 0;
      const missing = [];
      for (const field of rule.fields) {
        const token = readField(rule, field, given[field.name], values);
        if (token === undefined) {
          missing.push(field.name);
          continue;
        }
        const place = field.tokens.indexOf(token);
        if (place < 0)
          throw new Refused(
            `${rule.name}: this calculator does not know ${field.name} = ${given[field.name]}`,
            [field.name],
          );
        index = index * field.tokens.length + place;
      }
      if (missing.length) {
        const names = missing.join(" and ");
        throw new Refused(`${rule.name} needs ${names}: pass them as keywords`, missing);
      }
      const [list, parameters, pads] = rule.answers[rule.checks[index]];
      demand(list);
      answer.parameters = evaluate(parameters);
      const shapes = rule.inputs.map((input) => readShape(rule, input, given[input.name]));
      const letters = shapes.length === 1 ? "x" : "abc";
      shapes.forEach((shape, n) => shape.forEach((v, m) => (values[letters[n] + m] = v)));
      const cases = rule.cases[shapes.map((shape) => shape.length).join()];
      if (!cases)
        throw new Refused(
          `${rule.name}: this calculator does not know inputs of so many axes`,
          rule.inputs.map((input) => input.name),
        );
      const [more, output, flops] = rule.answers[cases[cases.length > 1 ? index : 0]];
      demand(more);
      answer.output = evaluate(output);
      answer.flops = evaluate(flops);
      answer.shapes = shapes;
      if (pads) answer.pads = evaluate(pads);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      answer.error = error.message;
      answer.fields = error.fields;
    }
    return answer;
  }

  return { load, define, ask, read, show };
})();
