// Building elements. Text is only ever set as text: nothing that a tool prints is taken for markup, and what
// would hide in it is shown.

import { sign, tone, visible, words } from './format.js';

/**
 * An element with attributes, listeners (`onclick`), properties (`.value`) and children.
 * @param {string} tag
 * @param {Record<string, unknown> | null} [attributes]
 * @param {...(Node | string | number | null | undefined | false | (Node | string)[])} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) set(element, name, value);
  append(element, children);
  return element;
}

/**
 * The same for SVG.
 * @param {string} tag
 * @param {Record<string, unknown> | null} [attributes]
 * @param {...(Node | string | number | null | undefined | false)} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes || {})) set(element, name, value);
  append(element, children);
  return element;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {unknown} value
 */
function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith('on')) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
  else if (name.startsWith('.')) /** @type {any} */ (element)[name.slice(1)] = value;
  else element.setAttribute(name, value === true ? '' : String(value));
}

/**
 * @param {Element} element
 * @param {unknown[]} children
 */
function append(element, children) {
  for (const child of children.flat(2)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : visible(String(child)));
  }
}

/**
 * Replace what an element holds.
 * @param {Element} element
 * @param {...(Node | string | null | undefined | false)} children
 */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/**
 * Set what an element says, where it does not say so already: screen readers tell a status each time that it is set.
 * @param {Element} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Make these the children, and move none of those that stay: moving would take the focus from them.
 * @param {Element} parent
 * @param {Element[]} wanted
 */
export function arrange(parent, wanted) {
  const stay = new Set(wanted);
  for (const child of [...parent.children]) if (!stay.has(child)) child.remove();
  let next = parent.firstElementChild;
  for (const child of wanted) {
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
  }
}

/**
 * Ask or tell something, before anything else is done; gone once it is closed.
 * @param {Element} parent with which it goes, too
 * @param {HTMLElement} dialog
 */
export function showDialog(parent, dialog) {
  dialog.addEventListener('close', () => dialog.remove());
  parent.append(dialog);
  /** @type {HTMLDialogElement} */ (dialog).showModal();
}

/** A status in a word and a colour. @param {string} status */
export function statusBadge(status) {
  return h('span', { class: `badge ${tone(status)}` }, `${sign(status)} ${words(status)}`);
}

/**
 * Offer these, unless they are offered already: a list that is open stays so.
 * @param {HTMLSelectElement} select
 * @param {string[][]} options value and text
 * @param {string} chosen
 */
export function setOptions(select, options, chosen) {
  const key = JSON.stringify(options);
  if (select.dataset.options !== key) {
    fill(select, ...options.map(([value, text]) => h('option', { value }, text)));
    select.dataset.options = key;
  }
  select.value = chosen;
}

/**
 * Call `draw` at most once a frame, however often it is asked for.
 * @param {() => void} draw
 * @returns {() => void}
 */
export function onceAFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}

/**
 * Replace what an element holds by something that is alike: the link or the button that has the focus has it again.
 * @param {Element} element
 * @param {...(Node | string | null | undefined | false)} children
 */
export function refill(element, ...children) {
  const at = element.contains(document.activeElement) ? document.activeElement : null;
  const same = (/** @type {Element} */ one) => one.tagName === at?.tagName && one.getAttribute('href') === at.getAttribute('href');
  const place = at ? [...element.querySelectorAll(at.tagName)].filter(same).indexOf(at) : -1;
  fill(element, ...children);
  if (!at) return;
  const now = [...element.querySelectorAll(at.tagName)].filter(same);
  /** @type {HTMLElement | undefined} */ (now[place] || now[0])?.focus({ preventScroll: true });
}
