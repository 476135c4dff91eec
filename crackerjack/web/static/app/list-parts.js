// What the lists of findings and of tests have in common.

import { fill, h } from './dom.js';

/**
 * A row of a list that is as high as what is in it.
 * @param {{height: number}} item has the height that the list gives it
 * @param {() => void} resized called when that is another now
 * @param {HTMLElement} inner
 */
export function openRow(item, resized, inner) {
  const sizes = new ResizeObserver(() => {
    if (!inner.isConnected) return;
    const height = Math.ceil(inner.getBoundingClientRect().height);
    if (Math.abs(height - item.height) < 2) return;
    item.height = height;
    resized();
  });
  sizes.observe(inner); // ends with the element
  return h('div', { class: 'details-row' }, inner);
}

/** @param {string | null} link */
export function openEditor(link) {
  if (link) location.href = link;
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
