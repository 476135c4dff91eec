// What the lists of findings and of tests have in common.

import { fill, h } from './dom.js';
import { editorSetting } from './places.js';

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

/** The words of a search, each of which must be found. @param {string} text */
export function wordsOf(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

/**
 * What stands below a list whose rows have places: its keys, what was said last, and the editor's setting.
 * @param {import('./virtual-list.js').VirtualList} list
 * @param {HTMLElement} said
 */
export function listFoot(list, said) {
  return h('div', { class: 'list-foot' },
    h('p', { class: 'faint key-hints' }, h('kbd', null, '↑'), ' ', h('kbd', null, '↓'), ' go, ', h('kbd', null, 'Enter'), ' opens, ',
      h('kbd', null, 'c'), ' copies path:line, ', h('kbd', null, 'e'), ' opens the editor'),
    said, editorSetting(() => list.refresh()));
}
