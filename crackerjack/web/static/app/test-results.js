// The tests of a job that count: those of an earlier collection do not.

/**
 * @typedef {{kind: 'test', step_id: string, hook: string, nodeid: string, outcome: string, duration: number,
 *   path: string, line: number | null, message: string, text: string}} Test `text` is what a search looks in
 * @typedef {{kind: 'head', key: string, title: string, count: number, tone: string}} Head
 * @typedef {{kind: 'details', of: Test, height: number}} TestDetails
 * @typedef {Test | Head | TestDetails} TestRow
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
    /** Which tests had both outcomes at the same content; nodeid -> what to say of it. @type {Map<string, string>} */
    this.flaky = new Map();
  }

  /**
   * @param {import('./model.js').JobEvent} event
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

  /** How many there are to be; 0 when that is not known. */
  get expected() {
    return [...this.collected.values()].reduce((sum, count) => sum + count, 0);
  }
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
    rows.push({ kind: 'head', key, title, tone, count: members.length });
    for (const test of members) {
      rows.push(test);
      if (details && details.of === test) rows.push(details);
    }
  }
  return rows;
}
