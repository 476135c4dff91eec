// The dashboard: which view is shown.

import { fill, h } from './dom.js';
import { entry } from './format.js';
import { listen } from './keys.js';
import { route } from './router.js';
import { tellConnection } from './tell.js';

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
  queue: () => import('./queue-view.js'),
};

const main = /** @type {HTMLElement} */ (document.getElementById('main'));

/** @type {View | null} */
let view = null;
let shown = '';
let opening = 0;

// The address after the # is the view's: the link to the content must not change it.
document.querySelector('.skip')?.addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});

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
