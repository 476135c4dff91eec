// How a finding looks: in its row, and with all that is known of it.

import { h } from './dom.js';
import { sign, tone } from './format.js';
import { pathLine } from './places.js';

const LONGEST = 300; // characters of a message in a row: the rest would not be in sight

/** @param {import('./findings.js').Group} group @param {() => void} toggle */
export function groupRow(group, toggle) {
  return h('div', { class: 'group-row', onclick: toggle },
    h('button', { class: 'plain', tabindex: -1, 'aria-expanded': String(!group.shut) },
      h('span', { class: 'caret', 'aria-hidden': 'true' }, group.shut ? '▸' : '▾'), h('b', null, group.title)),
    group.hook && group.hook !== group.title ? h('span', { class: 'faint' }, group.hook) : null,
    h('span', { class: group.errors ? 'badge bad' : 'badge warn' }, group.count.toLocaleString('en')));
}

/**
 * @param {import('./findings.js').Finding} one
 * @param {{byRule: boolean, marked: boolean, open: () => void}} how
 */
export function findingRow(one, { byRule, marked, open }) {
  const inFile = one.line ? `${one.line}${one.column ? `:${one.column}` : ''}` : '–';
  return h('div', {
    class: `finding-row${byRule ? ' by-rule' : ''}${marked ? ' marked' : ''}`, onclick: open,
    'data-fingerprint': one.fingerprint, 'aria-current': marked ? 'true' : null,
  },
    h('span', { class: `severity tone-${tone(one.severity)}`, role: 'img', title: one.severity, 'aria-label': one.severity }, sign(one.severity)),
    h('span', { class: 'mono faint where' }, byRule ? pathLine(one) : inFile),
    byRule ? null : h('span', { class: 'mono code' }, one.code || one.hook),
    h('span', { class: 'message', title: one.message.slice(0, LONGEST) }, one.message.slice(0, LONGEST)),
    h('span', { class: 'faint hook' }, one.fixable ? h('span', { class: 'fixable' }, 'fixable ') : null, byRule ? '' : one.hook));
}

/** All that is known of a finding. @param {import('./findings.js').Finding} one */
export function detailsOf(one) {
  return [
    h('pre', { class: 'words', tabindex: 0, role: 'group', 'aria-label': 'Message' }, one.message),
    one.source ? h('pre', { class: 'source', tabindex: 0, role: 'group', 'aria-label': 'The line as it is now' },
      h('span', { class: 'faint' }, `${one.line}  `), one.source) : null,
    h('p', { class: 'facts' },
      h('span', { class: 'mono' }, h('b', null, pathLine(one) || 'the project as a whole'), one.column ? `:${one.column}` : ''),
      h('span', null, one.hook, one.code ? h('span', { class: 'mono' }, ` ${one.code}`) : null),
      h('span', { class: `tone-${tone(one.severity)}` }, one.severity),
      one.fixable ? h('span', null, 'the tool can fix it') : null),
  ];
}
