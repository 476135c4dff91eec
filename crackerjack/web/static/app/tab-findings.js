// The findings of a job: by file or by rule, filtered, each with its place in the code.

import { get, jobPath } from './api.js';
import { h, setOptions } from './dom.js';
import { detailsOf, findingRow, groupRow } from './finding-rows.js';
import { Findings, grouped } from './findings.js';
import { plural, sign, tone } from './format.js';
import { chips, counted, ListTab } from './list-tab.js';

/**
 * @typedef {import('./findings.js').Finding} Finding
 * @typedef {import('./findings.js').Group} Group
 * @typedef {ListTab<Finding, Group>} Tab
 */

/**
 * @param {HTMLElement} box
 * @param {import('./job-view.js').Context} context
 * @returns {import('./main.js').View}
 */
export function open(box, context) {
  return new ListTab(box, context, listingOf(context.job.id));
}

/** @param {string} jobId @returns {import('./list-tab.js').Listing<Finding, Group>} */
function listingOf(jobId) {
  const findings = new Findings();
  /** The keys of groups that are folded. @type {Set<string>} */
  const shut = new Set();
  /** @type {Group[]} */
  let groups = [];
  /** @type {ReturnType<typeof controlsOf>} */
  let ui;
  const isGroup = (/** @type {Finding | Group} */ row) => 'kind' in row;

  /** @param {Tab} tab */
  function foldAll(tab) {
    const folded = shut.size > 0;
    shut.clear();
    if (!folded) for (const group of groups) shut.add(group.key);
    tab.drawing.now();
  }

  /** @param {Group} group @param {Tab} tab */
  function toggle(group, tab) {
    if (!shut.delete(group.key)) shut.add(group.key);
    tab.drawing.now();
  }

  return {
    what: 'finding', placeholder: 'Path, rule or message', filters: ['hook', 'severity'], settings: ['by'],
    async load(signal) {
      const answer = await get(`${jobPath(jobId, 'diagnostics')}?source=1`, signal);
      findings.take(answer);
      return answer.seq;
    },
    apply: (event) => findings.apply(event),
    all: () => findings.inOrder(),
    nameOf: (one) => one.fingerprint,
    passes: (one, wanted) => (!wanted.hook || one.hook === wanted.hook) && (!wanted.severity || one.severity === wanted.severity),
    rowsOf(found, tab) {
      if (tab.revealing) shut.clear();
      const rows = grouped(found, tab.wanted.by === 'rule', shut, tab.details);
      groups = /** @type {Group[]} */ (rows.filter((row) => 'kind' in row && row.kind === 'group'));
      return rows;
    },
    isHeading: /** @type {(row: Finding | Group) => row is Group} */ (isGroup),
    hasTwoLines: () => false,
    headingRow: (group, tab) => groupRow(group, () => toggle(group, tab)),
    enter: toggle,
    row: (one, how, wanted) => findingRow(one, { ...how, byRule: wanted.by === 'rule' }),
    details: detailsOf,
    controls(tab) {
      ui = controlsOf(tab, () => shut.clear(), () => foldAll(tab));
      return ui.all;
    },
    drawControls: (all, { wanted }) => ui.draw(all, wanted, shut.size > 0),
    summary(all, found, { wanted }) {
      const fixable = found.reduce((sum, one) => sum + (one.fixable ? 1 : 0), 0);
      const many = found.length === all.length ? plural(all.length, 'finding') : `${found.length.toLocaleString('en')} of ${plural(all.length, 'finding')}`;
      const where = plural(groups.length, wanted.by === 'rule' ? 'rule' : 'file');
      return all.length ? `${many} in ${where}${fixable ? `, ${fixable.toLocaleString('en')} fixable by the tool` : ''}` : '';
    },
    none: (finished) => (finished
      ? [h('b', { class: 'tone-good' }, '✓ '), 'The hooks that ran found nothing. Which ran and which did not is in the overview.']
      : ['Nothing was found so far. Findings appear here as the hooks tell of them.']),
  };
}

/** @param {Tab} tab @param {() => void} regroup @param {() => void} foldAll */
function controlsOf(tab, regroup, foldAll) {
  const hook = /** @type {HTMLSelectElement} */ (h('select', { name: 'hook', 'aria-label': 'Hook', onchange: () => tab.choose({ hook: hook.value }) }));
  const severities = chips('severity', ['error', 'warning', 'note'], tone, (change) => tab.choose(change));
  const by = h('button', {
    name: 'by', onclick: () => {
      regroup();
      tab.choose({ by: tab.wanted.by ? '' : 'rule' });
    },
  });
  const fold = h('button', { name: 'fold', onclick: foldAll });
  /** @param {Finding[]} all @param {Record<string, string>} wanted @param {boolean} folded */
  function draw(all, wanted, folded) {
    severities.draw(counted(all, (one) => one.severity), wanted.severity, (severity, count) => `${sign(severity)} ${plural(count, severity)}`);
    const hooks = counted(all, (one) => one.hook);
    if (wanted.hook && !hooks.has(wanted.hook)) hooks.set(wanted.hook, 0);
    const options = [...hooks].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => [name, `${name} (${count.toLocaleString('en')})`]);
    setOptions(hook, [['', 'All hooks'], ...options], wanted.hook);
    by.textContent = wanted.by === 'rule' ? 'Group by file' : 'Group by rule';
    fold.textContent = folded ? 'Unfold all' : 'Fold all';
  }
  return { all: [hook, ...severities.buttons, by, fold], draw };
}
