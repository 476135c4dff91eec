// The tests of a job: what failed and why, and whether that is chance, then what takes long.

import { eachEvent, get } from './api.js';
import { h, say } from './dom.js';
import { plural, sign, tone, words } from './format.js';
import { chips, counted, ListTab } from './list-tab.js';
import { tellProblem } from './tell.js';
import { FAILING, ordered, OUTCOMES, TestResults, TYPES } from './test-results.js';
import { detailsOf, headingRow, testRow } from './test-rows.js';

/**
 * @typedef {import('./test-results.js').Test} Test
 * @typedef {import('./test-results.js').Heading} Heading
 */

/**
 * @param {HTMLElement} box
 * @param {import('./job-view.js').Context} context
 * @returns {import('./main.js').View}
 */
export function open(box, context) {
  return new ListTab(box, context, listingOf(context.job));
}

/** @param {import('./model.js').Job} job @returns {import('./list-tab.js').Listing<Test, Heading>} */
function listingOf(job) {
  const results = new TestResults();
  /** @type {ReturnType<typeof chips>} */
  let outcomes;
  let slowest = 0; // seconds
  /** Whether recent runs were asked, and this one was among them. @type {boolean | null} */
  let asked = null;
  const flaky = h('button', { class: 'chip warn', 'data-flaky': '', 'aria-pressed': 'false', title: 'Passed and failed at the same content' });
  const isHeading = (/** @type {Test | Heading} */ row) => row.kind === 'heading';
  const isFailing = (/** @type {Test} */ test) => FAILING.includes(test.outcome);
  return {
    what: 'test', placeholder: 'Name or message', filters: ['outcome', 'flaky'], settings: [],
    load: (signal) => eachEvent(job.id, TYPES, (event) => results.apply(event), signal),
    apply: (event) => results.apply(event),
    all: () => results.all,
    nameOf: (test) => test.nodeid,
    passes: (test, wanted) => (!wanted.outcome || test.outcome === wanted.outcome) && (!wanted.flaky || Boolean(results.flakiness(test))),
    rowsOf(found, { details, list }) {
      const most = found.reduce((longest, test) => Math.max(longest, test.duration), 0);
      if (most !== slowest) list.refresh(); // all bars are drawn against it
      slowest = most;
      return ordered(found, details);
    },
    isHeading: /** @type {(row: Test | Heading) => row is Heading} */ (isHeading),
    hasTwoLines: isFailing,
    headingRow,
    enter: () => {},
    row: (test, how) => testRow(test, { ...how, slowest, flaky: results.flakiness(test) }),
    details: (test) => detailsOf(test, results.flakiness(test)),
    controls(tab) {
      outcomes = chips('outcome', OUTCOMES, tone, (change) => tab.choose(change));
      flaky.addEventListener('click', () => tab.choose({ flaky: tab.wanted.flaky ? '' : '1' }));
      return [...outcomes.buttons, flaky];
    },
    drawControls(all, { wanted }) {
      outcomes.draw(counted(all, (test) => test.outcome), wanted.outcome,
        (outcome, count) => `${sign(outcome)} ${count.toLocaleString('en')} ${words(outcome)}`);
      const chance = all.reduce((sum, test) => sum + Number(Boolean(results.flakiness(test))), 0);
      say(flaky, `${chance.toLocaleString('en')} flaky`);
      flaky.hidden = !chance && !wanted.flaky;
      flaky.setAttribute('aria-pressed', String(Boolean(wanted.flaky)));
    },
    summary(all, found) {
      const { expected } = results;
      const many = !job.finished && expected > all.length ? `${all.length.toLocaleString('en')} of ${plural(expected, 'test')} so far` : plural(all.length, 'test');
      return !all.length ? '' : found.length === all.length ? many : `${found.length.toLocaleString('en')} shown, of ${many}`;
    },
    /** Ask what recent runs say of the project's tests; and again when this one is among them. */
    async more(tab) {
      const { finished } = job;
      if (asked === finished) return;
      asked = finished;
      try {
        const { projects: [project] } = await get(`/stats?${new URLSearchParams({ project: job.data.project })}`, tab.signal);
        if (!project?.tests || finished !== asked) return;
        results.know(project.tests.flaky, project.tests.runs);
      } catch (error) {
        if (!tab.signal.aborted) tellProblem(tab.problem, error);
        return;
      }
      tab.list.refresh();
      tab.drawing.ask();
    },
    none: (finished) => (finished
      ? ['This run had no tests. ', h('code', null, 'crackerjack run -t'), ' runs them.']
      : ['No test has ended yet. Each appears here as it ends, when this run has tests.']),
  };
}
