// Elements out of values. Text is always text: nothing that comes from a server is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** An element: attributes by name, listeners as `onclick`, children as elements or text. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Written only where it differs, so that a selection and a screen reader's place stay. */
export function setText(node, text) {
  const told = text === null || text === undefined ? "" : String(text);
  if (node.textContent !== told) node.textContent = told;
}

export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

/** Where focus goes when what had it is taken away by `change`: to a place near by, not to the page's beginning. */
export function keepFocus(parent, place, change) {
  const had = parent.contains(document.activeElement);
  change();
  if (had && !parent.contains(document.activeElement)) place.focus({ preventScroll: true });
}

/** The children are those of `items`, in that order: made once for each key, updated after that. Focus stays. */
export function keyed(parent, items, { key, make, update }) {
  const known = parent.keyedNodes ?? (parent.keyedNodes = new Map());
  const focused = document.activeElement;
  const wanted = new Set();
  items.forEach((item, index) => {
    const id = key(item);
    wanted.add(id);
    if (!known.has(id)) known.set(id, make(item));
    const node = known.get(id);
    update?.(node, item);
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
  });
  for (const [id, node] of known) {
    if (wanted.has(id)) continue;
    node.remove();
    known.delete(id);
  }
  if (focused && focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}
