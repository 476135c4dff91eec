// The keys of the dashboard. None of them is taken while one writes.

import { h, showDialog } from './dom.js';

/** @type {[string, string][]} */
const HELP = [
  ['j, k', 'the next and the previous row, in every list'],
  ['arrow keys', 'the same in long lists, with Home, End, Page Up and Down'],
  ['Enter', 'open it'],
  ['/', 'to the filter; Escape leaves it'],
  ['1 to 6', 'the tabs of a job'],
  ['g j', 'all jobs'],
  ['g h', 'history'],
  ['?', 'these keys'],
];
const CHORD = 1500; // milliseconds until a `g` is forgotten

/** What `j` and `k` go to: rows, the newest run of each strip, and what there is to fold out or to show more of. */
const ROWS = 'a.row, [data-row], .strip a[tabindex="0"], [data-more]:not([hidden])';

/** @type {Record<string, string>} */
const PLACES = { j: '#/', h: '#/history' };

let went = -Infinity;

/** Listen, from now on. @param {HTMLElement} main */
export function listen(main) {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.closest('input, select, textarea, [contenteditable]')) {
      if (event.key === 'Escape' && target.matches('input[type=search]')) {
        event.preventDefault(); // browsers would empty it
        target.blur();
      }
      return;
    }
    if (document.querySelector('dialog[open]')) return;
    if (press(event.key, main, event.timeStamp)) event.preventDefault();
  });
}

/**
 * @param {string} key
 * @param {HTMLElement} main
 * @param {number} now milliseconds
 * @returns {boolean} whether it meant something
 */
function press(key, main, now) {
  const afterG = now - went < CHORD;
  went = -Infinity;
  if (afterG && PLACES[key]) {
    location.hash = PLACES[key];
    return true;
  }
  if (key === 'g') {
    went = now;
    return true;
  }
  if (key === '?') {
    showKeys();
    return true;
  }
  if (key === '/') return focused(main.querySelector('input[type=search]'));
  if (key === 'j' || key === 'k') return move(main, key === 'j' ? 1 : -1);
  if (/^[1-9]$/.test(key)) {
    const tab = /** @type {HTMLElement | undefined} */ (main.querySelectorAll('.tabs a')[Number(key) - 1]);
    tab?.click();
    return tab !== undefined;
  }
  return false;
}

/** @param {Element | null} element */
function focused(element) {
  if (element instanceof HTMLElement) element.focus();
  return element !== null;
}

/**
 * To the next row. A long list has most of its rows outside of the document: it moves by itself. A list that has
 * more than it shows does so when its end is reached.
 * @param {HTMLElement} main
 * @param {number} step
 */
function move(main, step) {
  const at = document.activeElement;
  const rows = /** @type {HTMLElement[]} */ ([...main.querySelectorAll(ROWS)].filter((row) => row.checkVisibility()));
  const index = rows.findIndex((row) => row === at || row.contains(at));
  const long = at?.closest('virtual-list') || (index < 0 && main.querySelector('virtual-list'));
  if (long) {
    /** @type {import('./virtual-list.js').VirtualList} */ (long).walk(step);
    return true;
  }
  const next = rows[index < 0 ? (step > 0 ? 0 : rows.length - 1) : index + step];
  if (next?.matches('[data-more]')) {
    next.click();
    requestAnimationFrame(() => requestAnimationFrame(() => move(main, step))); // they are drawn in the next frame
    return true;
  }
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
  return rows.length > 0;
}

function showKeys() {
  showDialog(document.body, h('dialog', { 'aria-labelledby': 'keys-title' },
    h('h2', { id: 'keys-title' }, 'Keys'),
    h('dl', { class: 'keys' }, HELP.flatMap(([key, what]) => [h('dt', null, h('kbd', null, key)), h('dd', null, what)])),
    h('form', { method: 'dialog' }, h('button', null, 'Close'))));
}
