// What a job found, whole and on paper: every failing test with what it said, and every finding.

import { BEHIND, getNow, jobPath } from './api.js';
import { fill, h } from './dom.js';
import { Findings } from './findings.js';
import { plural, seconds, sign, tone, words } from './format.js';
import { failingTests } from './states.js';
import { FAILING, TestResults, TYPES } from './test-results.js';

/** @typedef {import('./model.js').Job} Job */

/**
 * A part of the page that is there on paper alone. It is made when the page is printed, for it may be long.
 * @param {Job} job
 * @param {AbortSignal} signal
 */
export function report(job, signal) {
  const section = h('section', { class: 'report' });
  const draw = () => {
    try {
      fill(section, ...testsOf(job), ...findingsOf(job));
    } catch (error) {
      fill(section, h('p', { class: 'problem' }, `What was found is missing here: ${/** @type {Error} */ (error).message}.`));
    }
  };
  addEventListener('beforeprint', draw, { signal });
  addEventListener('afterprint', () => fill(section), { signal });
  return section;
}

/** @param {Job} job */
function testsOf(job) {
  if (!failingTests(job.data.counts.tests)) return [];
  const results = new TestResults();
  const path = jobPath(job.id, 'events');
  for (let [since, head] = [0, 1]; since < head;) {
    const page = getNow(`${path}?${new URLSearchParams({ since: String(since), limit: '1000', types: TYPES })}`);
    page.events.forEach((/** @type {any} */ event) => results.apply(event));
    if (page.next <= since && since < page.head) throw new Error(BEHIND);
    [since, head] = [page.next, page.head];
  }
  const failing = results.all.filter((test) => FAILING.includes(test.outcome));
  return [
    h('h2', null, plural(failing.length, 'failing test')),
    ...failing.map((test) => h('article', { class: 'report-test' },
      h('h3', null, h('span', { class: `tone-${tone(test.outcome)}` }, `${sign(test.outcome)} `), h('span', { class: 'mono' }, test.nodeid),
        h('span', { class: 'faint' }, ` ${words(test.outcome)}, ${seconds(test.duration)}`)),
      h('pre', null, test.message))),
  ];
}

/** @param {Job} job */
function findingsOf(job) {
  const findings = new Findings();
  findings.take(getNow(jobPath(job.id, 'diagnostics')));
  const all = findings.inOrder();
  if (!all.length) return [];
  return [
    h('h2', null, plural(all.length, 'finding')),
    h('table', { class: 'report-findings' }, h('colgroup', null, [1.3, 4.2, null, 12].map(column)), byFile(all).map(({ path, found }) => h('tbody', null,
      h('tr', null, h('th', { colspan: 4, scope: 'rowgroup' }, h('span', { class: 'mono' }, path), h('span', { class: 'faint' }, `  ${found.length}`))),
      found.map((one) => h('tr', null,
        h('td', { class: `tone-${tone(one.severity)}` }, sign(one.severity)),
        h('td', { class: 'mono number' }, one.line ? `${one.line}${one.column ? `:${one.column}` : ''}` : '–'),
        h('td', null, one.message),
        h('td', { class: 'faint' }, h('span', { class: 'mono' }, one.code), ` ${one.hook}`)))))),
  ];
}

/** @param {import('./findings.js').Finding[]} all by place */
function byFile(all) {
  /** @type {{path: string, found: import('./findings.js').Finding[]}[]} */
  const files = [];
  for (const one of all) {
    const path = one.path || 'the project as a whole';
    if (files.at(-1)?.path !== path) files.push({ path, found: [] });
    files[files.length - 1].found.push(one);
  }
  return files;
}

/** @param {number | null} width in em; null: what is left */
function column(width) {
  const found = h('col');
  if (width) found.style.width = `${width}em`;
  return found;
}
