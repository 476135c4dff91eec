// The timeline of a job: every step and hook over time, as they run.

import { fill, h, onceAFrame } from './dom.js';
import { seconds, sign, tone, words } from './format.js';

/**
 * @param {HTMLElement} box
 * @param {import('./job-view.js').Context} context
 * @returns {import('./main.js').View}
 */
export function open(box, { job }) {
  const draw = onceAFrame(() => fill(box, table()));
  function table() {
    return h('div', { class: 'scroll' }, h('table', null,
      h('thead', null, h('tr', null, ['Hook', 'Status', 'Time', 'Findings', ''].map((title) => h('th', { scope: 'col' }, title)))),
      h('tbody', null, job.allHooks.map((hook) => h('tr', null,
        h('td', null, hook.name),
        h('td', null, h('span', { class: `badge ${tone(hook.status)}` }, `${sign(hook.status)} ${words(hook.status)}`)),
        h('td', null, hook.cached ? 'known' : seconds(hook.duration)),
        h('td', null, hook.findings || ''),
        h('td', { class: 'faint' }, hook.reason))))));
  }
  job.addEventListener('change', draw);
  draw();
  return { close: () => job.removeEventListener('change', draw) };
}
