// The dashboard: which view is shown, and whether what it shows is live.

import { keepToken } from './api.js';
import { fill, h } from './dom.js';
import { entry } from './format.js';
import { listen } from './keys.js';
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

// The address after the # is the view's: the link to the content must not change it.
document.querySelector('.skip')?.addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});

/**
 * Say whether what is shown is live. Readers of screens hear that a connection is lost once, not each try.
 * @param {import('./live.js').State | null} state null: it need not be
 */
export function tellConnection(state) {
  const lost = state !== null && !state.connected && state.reason !== '';
  connection.classList.toggle('lost', lost);
  connection.classList.toggle('live', state?.connected === true);
  if (lost) {
    const [said, wait] = connection.children.length === 2 ? connection.children : [h('span', null), h('span', { 'aria-hidden': 'true' })];
    const sentence = `Connection lost (${state.reason})`;
    if (said.textContent !== sentence) said.textContent = sentence;
    wait.textContent = state.retryAfter ? `; coming back in ${Math.ceil(state.retryAfter)} s` : '; trying again';
    if (!said.isConnected) fill(connection, said, wait);
  } else {
    const said = state === null ? '' : state.connected ? '● live' : 'Connecting';
    if (connection.textContent !== said) connection.textContent = said;
  }
}

/**
 * Show why something did not work, and what to do.
 * @param {HTMLElement} where
 * @param {unknown} error
 */
export function tellProblem(where, error) {
  const status = /** @type {any} */ (error).status;
  const message = error instanceof Error ? error.message : String(error);
  if (status === 401 || error === '401') fill(where, askForToken());
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

listen(main);
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
  const load = entry(VIEWS, name);
  view?.close();
  view = null;
  shown = key;
  tellConnection(null);
  if (!load) {
    fill(main, h('h1', null, 'There is nothing here'), h('p', { class: 'empty' }, h('a', { href: '#/' }, 'All jobs')));
    return;
  }
  let module;
  try {
    module = await load();
  } catch {
    if (mine === opening) fill(main, h('p', { class: 'problem', role: 'alert' }, 'This page could not be loaded: the server does not answer. '), h('button', { onclick: () => location.reload() }, 'Try again'));
    return;
  }
  if (mine !== opening) return;
  view = module.open(main, place);
  if (mine > 1) main.focus({ preventScroll: true }); // the first page begins at its beginning
});
