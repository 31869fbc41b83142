// Runs the dashboard's script without a browser: as much of a DOM as it uses, and a real coordinator. Arguments: a file
// with the script, the coordinator's URL, and a token for when it asks for one. Prints what the page shows then, as
// JSON: the text of each element, of tables the text of their cells by row.
"use strict";
const { readFileSync } = require("fs");
const [file, base, token] = process.argv.slice(2);

class Element {
  constructor() { Object.assign(this, { textContent: "", value: "", className: "", hidden: false, disabled: false, rows: [] }); }
  append(...children) { this.rows.push(...children); }
  replaceChildren(...children) { this.rows = children; }
  get shown() {
    if (this.hidden) return null;
    return this.rows.length ? this.rows.map((child) => child.shown) : this.textContent;
  }
}

const elements = {};
const stored = {};
const page = {
  document: {
    createElement: () => new Element(),
    getElementById: (id) => elements[id] || (elements[id] = new Element()),
  },
  sessionStorage: { getItem: (key) => stored[key], setItem: (key, value) => { stored[key] = value; } },
  fetch: (path, options) => fetch(base + path, options),
  setTimeout: () => 0, // One look.
  clearTimeout: () => {},
};
for (const id of ["login", "main"]) page.document.getElementById(id).hidden = true;

let logged = false;
process.on("beforeExit", () => {
  if (logged || !token || elements.login.hidden) return;
  logged = true;
  page.document.getElementById("token").value = token;
  elements.login.onsubmit({ preventDefault() {} });
});
process.on("exit", () => {
  console.log(JSON.stringify(Object.fromEntries(Object.entries(elements).map(([id, element]) => [id, element.shown]))));
});
new Function(...Object.keys(page), readFileSync(file, "utf8"))(...Object.values(page));
