// What the keyboard could not reach otherwise: what scrolls by itself, and furo's drawers.
"use strict";

(() => {
  const mark = (element, attributes, on) => {
    for (const [name, value] of Object.entries(attributes))
      if (on) element.setAttribute(name, value);
      else element.removeAttribute(name);
  };

  // Code, tables and formulas wider than their place get a tab stop and a name, as long as they are.
  const NAMES = {
    "pre": "Code",
    ".table-wrapper": "Table",
    "div.math, table.at-a-glance td p": "Formula",
    ".output": "Output",
  };
  const look = ({ target }) => {
    const wide = target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight;
    const name = Object.keys(NAMES).find((selector) => target.matches(selector));
    mark(target, { tabindex: "0", role: "group", "aria-label": `${NAMES[name]}, scrolls` }, wide);
  };
  const observer = new ResizeObserver((entries) => entries.forEach(look));
  document.querySelectorAll(Object.keys(NAMES).join()).forEach((one) => observer.observe(one));

  // On a narrow screen a checkbox, which the keyboard does not reach, opens each drawer; its icon
  // becomes a button.
  const drawer = (box, icons, name) => {
    const say = () => icons.forEach((icon) => icon.setAttribute("aria-expanded", box.checked));
    const turn = (open) => {
      box.checked = open;
      say();
    };
    for (const icon of icons) {
      mark(icon, { role: "button", tabindex: "0", "aria-label": name }, true);
      icon.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        turn(!box.checked);
      });
    }
    box.addEventListener("change", say);
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !box.checked) return;
      turn(false);
      icons.find((icon) => icon.checkVisibility()).focus();
    });
    say();
  };
  const icons = (kind) => [...document.querySelectorAll(`.${kind}-overlay-icon:not(.no-toc) .icon`)];
  drawer(document.getElementById("__navigation"), icons("nav"), "Site navigation");
  drawer(document.getElementById("__toc"), icons("toc"), "On this page");
})();
