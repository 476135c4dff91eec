// What the page knows of a job's steps, hooks and tests, as crackerjack/jobs/states.py has them.

/**
 * @typedef {{step_id: string, action: string, needs: string[], status: string, started: number | null,
 *   duration: number | null, reason: string, done: number}} Step
 * @typedef {{collected: number | null, deselected: number, passed: number, failed: number, error: number,
 *   skipped: number, xfailed: number, xpassed: number}} Tests
 * @typedef {{name: string, step: string, status: string, started: number | null, expected: number | null,
 *   duration: number | null, findings: number, fixed: number, cached: boolean, reason: string,
 *   attempt: number, phase: boolean, errors: number, warnings: number, notes: number, tests: Tests}} Hook
 * @typedef {{nodeid: string, path: string, line: number | null, message: string,
 *   flaky: boolean}} FailingTest
 * @typedef {{event_type: string, data: any, timestamp: number, job_id: string, seq: number}} JobEvent
 */

export const OUTCOMES = /** @type {const} */ (['passed', 'failed', 'error', 'skipped', 'xfailed', 'xpassed']);
export const TEXT_KEPT = 500; // characters

/** @returns {Tests} */
export function noTests() {
  return { collected: null, deselected: 0, passed: 0, failed: 0, error: 0, skipped: 0, xfailed: 0, xpassed: 0 };
}

/** How many have ended. @param {Tests} tests */
export function endedTests(tests) {
  return OUTCOMES.reduce((sum, outcome) => sum + tests[outcome], 0);
}

/** How many of them are why a run fails. @param {Tests} tests */
export function failingTests(tests) {
  return tests.failed + tests.error;
}

/** @param {string} name @param {string} step @returns {Hook} */
export function newHook(name, step) {
  return {
    name, step, status: 'waiting', started: null, expected: null, duration: null, findings: 0, fixed: 0,
    cached: false, reason: '', attempt: 1, phase: false, errors: 0, warnings: 0, notes: 0, tests: noTests(),
  };
}

/** @param {string} step @param {string} hook */
export function key(step, hook) {
  return `${step} ${hook}`;
}

/** @param {string} stepId @param {string} action @param {string[]} needs @returns {Step} */
export function newStep(stepId, action, needs) {
  return { step_id: stepId, action, needs, status: 'waiting', started: null, duration: null, reason: '', done: 0 };
}
