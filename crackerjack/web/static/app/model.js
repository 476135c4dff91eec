// What a job is now: a snapshot of the server, and the events after it.
//
// The same fold as the server's (crackerjack/jobs/changes.py, states.py): from whatever event the snapshot
// was taken, the page and `GET /jobs/{id}` say the same about the job.

import { CHANGES } from './changes.js';
import { entry, words } from './format.js';
import { key, newHook, newStep, noTests, OUTCOMES } from './states.js';

/** @typedef {import('./states.js').Step} Step @typedef {import('./states.js').Hook} Hook @typedef {import('./states.js').JobEvent} JobEvent */

/** @type {Record<string, string>} */
const SAYS = {
  run_configuration: 'Reading the configuration',
  run_fast_hooks: 'Running fast hooks',
  run_code_cleaning: 'Cleaning code',
  run_test_workflow: 'Running tests',
  run_comprehensive_hooks: 'Running comprehensive hooks',
};

/** A job, changed by `apply` alone. Tells `event` for each event, and `change` after it. */
export class Job extends EventTarget {
  /** @param {any} message the `job_snapshot` */
  constructor(message) {
    super();
    this.id = /** @type {string} */ (message.data.job_id);
    this.seq = 0;
    this.data = message.data;
    /** @type {Map<string, Step>} */
    this.steps = new Map();
    /** @type {Map<string, Hook>} */
    this.hooks = new Map();
    /** The hook and step of a re-run -> the key of the hook that it repeats. @type {Map<string, string>} */
    this.goesOn = new Map();
    /** What each hook has changed since the snapshot. @type {Map<Hook, Set<string>>} */
    this.changedPaths = new Map();
    this.take(message);
  }

  /** Begin anew from a snapshot. @param {any} message */
  take(message) {
    const data = message.data;
    this.seq = /** @type {number} */ (message.seq);
    this.data = data;
    this.steps = new Map(data.steps.map((/** @type {Step} */ step) => [step.step_id, step]));
    this.hooks = new Map(data.hooks.map((/** @type {Hook} */ hook) => [key(hook.step, hook.phase ? '' : hook.name), hook]));
    this.goesOn = new Map(data.reruns.map((/** @type {any} */ one) => [key(one.step, one.hook), key(one.repeats, one.hook)]));
    this.changedPaths = new Map();
    /** Files that were changed since the snapshot, by whatever hooks, and how many were before. @type {Set<string>} */
    this.fixedPaths = new Set();
    this.fixedBefore = data.counts.fixed;
    this.changed();
  }

  get finished() {
    return this.data.ended !== null;
  }

  /** @returns {Hook[]} */
  get allHooks() {
    return [...this.hooks.values()];
  }

  /** Take in the next event. @param {JobEvent} event */
  apply(event) {
    if (event.seq <= this.seq) return;
    this.seq = event.seq;
    if (this.data.started === null) {
      Object.assign(this.data, { started: event.timestamp, status: 'running', message: 'Starting' });
    }
    entry(CHANGES, event.event_type)?.(this, event.data, event.timestamp);
    this.dispatchEvent(new CustomEvent('event', { detail: event }));
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }

  /**
   * Seconds until the job will have ended, from the project's history; null if unknown.
   * @param {number} now seconds since the epoch
   */
  remaining(now) {
    if (this.data.status !== 'running') return null;
    const known = this.allHooks
      .filter((hook) => hook.status === 'running' && hook.expected !== null && hook.started !== null)
      .map((hook) => Math.max(0, Number(hook.expected) - (now - Number(hook.started))));
    if (this.data.expected !== null && this.data.started !== null) known.push(this.data.expected - (now - this.data.started));
    return known.length ? Math.max(0, ...known) : null;
  }

  /**
   * The hook of a step, of an earlier one for a re-run; in a phase without hooks, the phase.
   * @param {any} data
   * @returns {Hook}
   */
  hook(data) {
    const own = key(data.step_id, data.hook);
    const known = this.hooks.get(this.goesOn.get(own) || own) || this.hooks.get(key(data.step_id, ''));
    if (known) return known;
    const made = newHook(data.hook, data.step_id);
    this.hooks.set(own, made);
    return made;
  }

  /** @param {string} stepId @returns {Step} */
  step(stepId) {
    let step = this.steps.get(stepId);
    if (!step) {
      step = newStep(stepId, stepId.slice(0, Math.max(0, stepId.lastIndexOf('_'))), []);
      this.steps.set(stepId, step);
    }
    return step;
  }

  /** Sum up what the hooks have: after each change of one. */
  count() {
    const counts = { findings: 0, errors: 0, warnings: 0, notes: 0, fixed: this.fixedBefore + this.fixedPaths.size, tests: noTests() };
    for (const hook of this.hooks.values()) {
      for (const name of /** @type {const} */ (['findings', 'errors', 'warnings', 'notes'])) counts[name] += hook[name];
      for (const name of OUTCOMES) counts.tests[name] += hook.tests[name];
      counts.tests.deselected += hook.tests.deselected;
      if (hook.tests.collected !== null) counts.tests.collected = (counts.tests.collected || 0) + hook.tests.collected;
    }
    this.data.counts = counts;
  }

  /** Say that this step is what goes on. @param {Step} step */
  showStage(step) {
    const title = words(step.action);
    this.data.current_stage = step.action;
    this.data.message = entry(SAYS, step.action) || title.charAt(0).toUpperCase() + title.slice(1).toLowerCase();
  }

  /** Sum up how much of the steps is done; a step that starts over takes nothing back. */
  showProgress() {
    let done = 0;
    for (const step of this.steps.values()) done += step.done;
    if (this.steps.size) {
      const percent = Math.min(99, Math.floor(100 * (done / this.steps.size)));
      this.data.overall_progress = Math.max(this.data.overall_progress, percent);
    }
  }

  /** Mark the step's hooks that were never begun. @param {string} stepId @param {string} reason */
  skipWaiting(stepId, reason) {
    for (const hook of this.hooks.values()) {
      if (hook.step === stepId && hook.status === 'waiting') Object.assign(hook, { status: 'skipped', reason });
    }
  }
}
