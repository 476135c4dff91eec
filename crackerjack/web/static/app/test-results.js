// The tests of a job that count: those of an earlier collection do not.

import { plural } from './format.js';

/**
 * @typedef {{kind: 'test', step_id: string, hook: string, nodeid: string, outcome: string, duration: number,
 *   path: string, line: number | null, message: string, reruns?: number, flaky?: boolean, text: string}} Test `text` is what a search looks in
 * @typedef {{kind: 'heading', key: string, title: string, count: number, tone: string}} Heading
 * @typedef {import('./list-tab.js').Details<Test>} TestDetails
 * @typedef {Test | Heading | TestDetails} TestRow
 */

export const FAILING = ['failed', 'error'];
export const OUTCOMES = ['failed', 'error', 'xpassed', 'passed', 'skipped', 'xfailed'];
/** The events that change it. */
export const TYPES = 'workflow_started,hook_execution_started,tests_collected,test_completed';

/** Changed by `apply` alone. */
export class TestResults {
  constructor() {
    /** @type {Test[]} */
    this.all = [];
    /** How many tests each hook has collected. @type {Map<string, number>} */
    this.collected = new Map();
    this.seq = 0;
    /** Those that recent runs say are flaky: nodeid -> what to say of it. @type {Map<string, string>} */
    this.known = new Map();
  }

  /**
   * @param {import('./states.js').JobEvent} event
   * @returns {boolean} whether it changed anything
   */
  apply({ seq, event_type: type, data }) {
    if (seq <= this.seq) return false;
    this.seq = seq;
    if (type === 'test_completed') {
      this.all.push({ ...data, kind: 'test', text: `${data.nodeid} ${data.message}`.toLowerCase() });
      return true;
    }
    if (type === 'tests_collected') {
      this.forget(data.hook);
      this.collected.set(data.hook, data.count);
      return true;
    }
    if (type === 'hook_execution_started') return this.forget(data.hook);
    if (type !== 'workflow_started') return false;
    this.all = [];
    this.collected.clear();
    return true;
  }

  /** A hook starts its tests over. @param {string} hook */
  forget(hook) {
    const had = this.all.length;
    this.collected.delete(hook);
    if (had) this.all = this.all.filter((test) => test.hook !== hook);
    return this.all.length !== had;
  }

  /** Take in what recent runs say. @param {any[]} flaky those tests of `/stats` @param {number} runs */
  know(flaky, runs) {
    this.known = new Map(flaky.map((one) => [one.nodeid, bothWays(one, runs)]));
  }

  /** Why a test is called flaky; empty where it is not. @param {Test} test */
  flakiness(test) {
    if (test.reruns && test.outcome === 'passed') return `Failed ${times(test.reruns)}, and passed when it was run again.`;
    return this.known.get(test.nodeid) || (test.flaky ? 'Ended the other way, too, at the same content, not long before.' : '');
  }

  /** How many there are to be; 0 when that is not known. */
  get expected() {
    return [...this.collected.values()].reduce((sum, count) => sum + count, 0);
  }
}

/** @param {{passed: number, failed: number}} test of `/stats` @param {number} runs */
function bothWays({ passed, failed }, runs) {
  return `Passed ${times(passed)} and failed ${times(failed)} at the same content, in the last ${plural(runs, 'run')} with tests.`;
}

/** @param {number} count */
function times(count) {
  return count === 1 ? 'once' : `${count} times`;
}

/**
 * The rows of a list: what failed first, then the slowest.
 * @param {Test[]} tests
 * @param {TestDetails | null} details shown below its test
 * @returns {TestRow[]}
 */
export function ordered(tests, details) {
  const failed = tests.filter((test) => FAILING.includes(test.outcome));
  const others = tests.filter((test) => !FAILING.includes(test.outcome)).sort((a, b) => b.duration - a.duration);
  /** @type {TestRow[]} */
  const rows = [];
  for (const [key, title, tone, members] of /** @type {[string, string, string, Test[]][]} */ ([
    ['failed', 'Failed', 'bad', failed], ['others', 'All others, slowest first', 'quiet', others],
  ])) {
    if (!members.length) continue;
    rows.push({ kind: 'heading', key, title, tone, count: members.length });
    for (const test of members) {
      rows.push(test);
      if (details && details.of === test) rows.push(details);
    }
  }
  return rows;
}
