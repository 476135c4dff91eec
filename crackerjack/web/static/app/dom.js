// Building elements. Text is only ever set as text: nothing that a tool prints is taken for markup, and what
// would hide in it is shown.

import { visible } from './format.js';

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
