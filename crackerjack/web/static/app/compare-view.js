// compare

import { fill, h } from './dom.js';

/**
 * @param {HTMLElement} main
 * @param {import('./router.js').Place} place
 * @returns {import('./main.js').View}
 */
export function open(main, place) {
  fill(main, h('h1', null, 'compare'), h('p', { class: 'empty' }, place.parts.join('/')));
  return { close() {} };
}
