// The dashboard: which view is shown, and whether what it shows is live.

import { keepToken } from './api.js';
import { fill, h } from './dom.js';
import { route } from './router.js';

/**
 * @typedef {object} View
 * @property {(place: import('./router.js').Place) => boolean} [update] take another place of the same view
 * @property {() => void} close
 */

/** @type {Record<string, () => Promise<{open: (main: HTMLElement, place: import('./router.js').Place) => View}>>} */
const VIEWS = {
  '': () => import('./jobs-view.js'),
  job: () => import('./job-view.js'),
  compare: () => import('./compare-view.js'),
  history: () => import('./history-view.js'),
};

const main = /** @type {HTMLElement} */ (document.getElementById('main'));
const connection = /** @type {HTMLElement} */ (document.getElementById('connection'));

/** @type {View | null} */
let view = null;
let shown = '';
let opening = 0;

/**
 * Say whether what is shown is live.
 * @param {import('./live.js').State | null} state null: it need not be
 */
export function tellConnection(state) {
  connection.classList.toggle('lost', state !== null && !state.connected);
  if (state === null) connection.textContent = '';
  else if (state.connected) connection.textContent = '● live';
  else if (state.reason) connection.textContent = `Connection lost (${state.reason}); coming back in ${Math.ceil(state.retryAfter)} s`;
  else connection.textContent = 'Connecting';
}

/**
 * Show why something did not work, and what to do.
 * @param {HTMLElement} where
 * @param {unknown} error
 */
export function tellProblem(where, error) {
  const status = /** @type {any} */ (error).status;
  const message = error instanceof Error ? error.message : String(error);
  if (status === 401) fill(where, askForToken());
  else fill(where, h('p', { class: 'problem', role: 'alert' }, message));
}

function askForToken() {
  const field = h('input', { type: 'password', name: 'token', autocomplete: 'off', required: true });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    keepToken(/** @type {HTMLInputElement} */ (field).value);
    location.reload();
  };
  return h('form', { onsubmit: submit, class: 'empty' },
    h('p', null, 'This server asks for its token: the one it was started with.'),
    h('label', null, 'Token ', field), ' ', h('button', { class: 'primary' }, 'Show the jobs'));
}

route(async (place) => {
  const name = place.parts[0] || '';
  const key = name === 'job' ? place.parts.slice(0, 2).join('/') : name;
  for (const anchor of document.querySelectorAll('nav a')) {
    const there = (anchor.getAttribute('href') || '').replace(/^#\/?/, '');
    if (there === name || (there === '' && name === 'job')) anchor.setAttribute('aria-current', 'page');
    else anchor.removeAttribute('aria-current');
  }
  if (view && key === shown && view.update && view.update(place)) return;
  const mine = opening += 1;
  const load = VIEWS[name];
  view?.close();
  view = null;
  shown = key;
  tellConnection(null);
  if (!load) {
    fill(main, h('p', { class: 'empty' }, 'There is nothing here. ', h('a', { href: '#/' }, 'All jobs')));
    return;
  }
  const module = await load();
  if (mine !== opening) return;
  view = module.open(main, place);
  main.focus({ preventScroll: true });
});
