// The keys of the dashboard. None of them is taken while one writes.

import { h } from './dom.js';

/** @type {[string, string][]} */
const HELP = [
  ['j, k', 'the next and the previous row (arrow keys in long lists too)'],
  ['Enter', 'open it'],
  ['/', 'to the filter; Escape leaves it'],
  ['1 to 6', 'the tabs of a job'],
  ['g j', 'all jobs'],
  ['g h', 'history'],
  ['?', 'these keys'],
];
const CHORD = 1500; // milliseconds until a `g` is forgotten

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
 * To the next row. A long list has most of its rows outside of the document: it moves by itself.
 * @param {HTMLElement} main
 * @param {number} step
 */
function move(main, step) {
  const at = document.activeElement;
  const long = at?.closest('virtual-list') || main.querySelector('virtual-list');
  if (long instanceof HTMLElement) {
    long.focus({ preventScroll: true });
    const key = step > 0 ? 'ArrowDown' : 'ArrowUp';
    long.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
    return true;
  }
  const rows = /** @type {HTMLElement[]} */ ([...main.querySelectorAll('a.row, [data-row]')]);
  const index = rows.findIndex((row) => row === at || row.contains(at));
  const next = rows[index < 0 ? (step > 0 ? 0 : rows.length - 1) : index + step];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
  return rows.length > 0;
}

function showKeys() {
  const dialog = /** @type {HTMLDialogElement} */ (h('dialog', { 'aria-labelledby': 'keys-title' },
    h('h2', { id: 'keys-title' }, 'Keys'),
    h('dl', { class: 'keys' }, HELP.flatMap(([key, what]) => [h('dt', null, h('kbd', null, key)), h('dd', null, what)])),
    h('form', { method: 'dialog' }, h('button', null, 'Close'))));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
