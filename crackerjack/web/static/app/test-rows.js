// How a test looks: in its row, and with all that it said.

import { h } from './dom.js';
import { seconds, sign, tone, words } from './format.js';
import { pathLine } from './places.js';
import { FAILING } from './test-results.js';

const LONGEST = 300; // characters in a row: the rest would not be in sight

/** @param {import('./test-results.js').Heading} heading */
export function headingRow(heading) {
  return h('div', { class: 'group-row' }, h('b', null, heading.title), h('span', { class: `badge ${heading.tone}` }, heading.count.toLocaleString('en')));
}

/** The line of a message that says most: pytest marks those of the error with an E. @param {string} message */
export function gist(message) {
  const lines = message.split('\n', 200).map((line) => line.trim()).filter(Boolean);
  const marked = lines.find((line) => /^E\s/.test(line));
  return (marked ? marked.slice(1).trim() : lines[0] || '').slice(0, LONGEST);
}

/**
 * @param {import('./test-results.js').Test} test
 * @param {{slowest: number, marked: boolean, flaky: string, open: () => void}} how `slowest` in seconds
 */
export function testRow(test, { slowest, marked, flaky, open }) {
  const at = test.nodeid.indexOf('::');
  const file = at < 0 ? '' : test.nodeid.slice(0, at);
  const name = (at < 0 ? test.nodeid : test.nodeid.slice(at + 2)).slice(0, LONGEST);
  const bar = h('span', { class: 'time-bar', 'aria-hidden': 'true' });
  bar.style.width = `${slowest ? Math.max(1, 100 * test.duration / slowest) : 0}%`;
  return h('div', {
    class: `test-row${FAILING.includes(test.outcome) ? ' failing' : ''}${marked ? ' marked' : ''}`, 'data-nodeid': test.nodeid, 'aria-current': marked ? 'true' : null, onclick: open,
  },
    h('span', { class: `severity tone-${tone(test.outcome)}`, role: 'img', title: words(test.outcome), 'aria-label': words(test.outcome) }, sign(test.outcome)),
    h('span', { class: 'test-name', title: test.nodeid.slice(0, LONGEST) }, h('b', null, name), ' ',
      flaky ? h('span', { class: 'badge warn', title: flaky }, 'flaky') : null, ' ', h('span', { class: 'faint file' }, file)),
    h('span', { class: 'message' }, test.message ? gist(test.message) : test.outcome === 'passed' ? '' : words(test.outcome)),
    h('span', { class: 'time' }, h('span', { class: 'time-track', 'aria-hidden': 'true' }, bar), seconds(test.duration)),
    FAILING.includes(test.outcome) ? h('pre', { class: 'on-paper' }, test.message) : null);
}

/**
 * All that a test said.
 * @param {import('./test-results.js').Test} test
 * @param {string} flaky why it is called so; else empty
 */
export function detailsOf(test, flaky) {
  return [
    test.message ? h('pre', { class: 'words', tabindex: 0, role: 'group', 'aria-label': 'Message' }, test.message) : null,
    flaky ? h('p', null, h('span', { class: 'badge warn' }, 'flaky'), ' ', flaky) : null,
    h('p', { class: 'facts' },
      h('span', { class: 'mono' }, test.nodeid),
      test.path ? h('span', { class: 'mono' }, h('b', null, pathLine(test))) : null,
      h('span', { class: `tone-${tone(test.outcome)}` }, words(test.outcome)),
      h('span', null, seconds(test.duration))),
  ];
}
