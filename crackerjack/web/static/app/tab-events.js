// The events of a job.

import { fill, h } from './dom.js';

/**
 * @param {HTMLElement} box
 * @param {import('./job-view.js').Context} context
 * @returns {import('./main.js').View}
 */
export function open(box, context) {
  fill(box, h('p', { class: 'empty' }, `The events of ${context.job.id}`));
  return { close() {} };
}
