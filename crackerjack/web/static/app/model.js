// What a job is now: a snapshot of the server, and the events after it.
//
// The same fold as the server's (crackerjack/jobs/changes.py, states.py): from whatever event the snapshot
// was taken, the page and `GET /jobs/{id}` say the same about the job.

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

import { entry } from './format.js';

const OUTCOMES = /** @type {const} */ (['passed', 'failed', 'error', 'skipped', 'xfailed', 'xpassed']);
const FAILING_KEPT = 20;
export const TEXT_KEPT = 500; // characters

/** @returns {Tests} */
function noTests() {
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
function newHook(name, step) {
  return {
    name, step, status: 'waiting', started: null, expected: null, duration: null, findings: 0, fixed: 0,
    cached: false, reason: '', attempt: 1, phase: false, errors: 0, warnings: 0, notes: 0, tests: noTests(),
  };
}

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
    const words = step.action.replace(/_/g, ' ');
    this.data.current_stage = step.action;
    this.data.message = entry(SAYS, step.action) || words.charAt(0).toUpperCase() + words.slice(1).toLowerCase();
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

/** @param {string} step @param {string} hook */
function key(step, hook) {
  return `${step} ${hook}`;
}

/** @param {string} stepId @param {string} action @param {string[]} needs @returns {Step} */
function newStep(stepId, action, needs) {
  return { step_id: stepId, action, needs, status: 'waiting', started: null, duration: null, reason: '', done: 0 };
}

/** @param {Hook} hook @param {number} timestamp @param {number | null} expected */
function begin(hook, timestamp, expected) {
  Object.assign(hook, {
    status: 'running', started: timestamp, expected, cached: false, reason: '', findings: 0, errors: 0,
    warnings: 0, notes: 0, tests: noTests(),
  });
}

/** @param {Hook} hook @param {string} status @param {number} duration @param {string} reason */
function finish(hook, status, duration, reason) {
  hook.status = status === 'passed' && hook.fixed ? 'fixed' : status;
  hook.duration = (hook.duration || 0) + duration;
  hook.reason = reason.slice(0, TEXT_KEPT);
}

/** Tests that are run again count no more. @param {Job} job @param {Hook} hook */
function forgetFailing(job, hook) {
  if (failingTests(hook.tests)) job.data.failing_tests = [];
}

/** @type {Record<string, (job: Job, data: any, timestamp: number) => void>} */
const CHANGES = {
  workflow_session_initializing(job, data) {
    Object.assign(job.data, { workflow: data.workflow, title: data.title, project: data.project });
  },
  workflow_started(job, data) {
    Object.assign(job.data, { status: 'running', workflow: data.workflow, expected: data.expected ?? null });
    job.hooks.clear();
    job.goesOn.clear();
    job.steps = new Map(data.steps.map((/** @type {any} */ step) =>
      [step.step_id, newStep(step.step_id, step.action, step.needs || [])]));
    job.count();
  },
  job_queued: queued,
  job_requeued: queued,
  hook_execution_started(job, data, timestamp) {
    const own = key(data.step_id, data.hook);
    if (!data.rerun) job.hooks.delete(key(data.step_id, ''));
    else if (!job.hooks.has(own)) {
      const earlier = [...job.hooks].reverse().find(([, hook]) => !hook.phase && hook.name === data.hook);
      if (earlier) job.goesOn.set(own, earlier[0]);
    }
    const hook = job.hook(data);
    forgetFailing(job, hook);
    begin(hook, timestamp, data.expected ?? null);
    hook.attempt = data.attempt ?? 1;
    job.count();
  },
  hook_execution_completed: hookEnded,
  hook_execution_failed: hookEnded,
  diagnostic_found(job, data) {
    const hook = job.hook(data);
    const counted = /** @type {'errors' | 'warnings' | 'notes'} */ (`${data.severity}s`);
    hook[counted] += 1;
    hook.findings = hook.errors + hook.warnings;
    job.count();
  },
  file_fixed(job, data) {
    if (!data.fixed) return;
    const hook = job.hook(data);
    const paths = job.changedPaths.get(hook) || new Set();
    job.changedPaths.set(hook, paths);
    if (paths.has(data.path)) return;
    paths.add(data.path);
    job.fixedPaths.add(data.path);
    hook.fixed += 1;
    job.count();
  },
  tests_collected(job, data) {
    const hook = job.hook(data);
    forgetFailing(job, hook);
    hook.tests = { ...noTests(), collected: data.count, deselected: data.deselected ?? 0 };
    job.count();
  },
  test_completed(job, data) {
    const hook = job.hook(data);
    hook.tests[/** @type {typeof OUTCOMES[number]} */ (data.outcome)] += 1;
    const failing = job.data.failing_tests;
    if ((data.outcome === 'failed' || data.outcome === 'error') && failing.length < FAILING_KEPT) {
      failing.push({
        nodeid: data.nodeid.slice(0, TEXT_KEPT), path: data.path || '', line: data.line ?? null,
        message: (data.message || '').slice(0, TEXT_KEPT), flaky: Boolean(data.flaky),
      });
    }
    if (hook.tests.collected) {
      job.step(data.step_id).done = Math.min(1, endedTests(hook.tests) / hook.tests.collected);
      job.showProgress();
    }
    job.count();
  },
  coverage_measured(job, data) {
    job.data.coverage = data.percent;
  },
  quality_phase_started(job, data, timestamp) {
    stepStarted(job, data, timestamp);
    const phase = newHook(data.phase, data.step_id);
    phase.phase = true;
    begin(phase, timestamp, data.expected ?? null);
    job.hooks.set(key(data.step_id, ''), phase);
    job.count();
  },
  quality_phase_completed: phaseEnded,
  quality_phase_failed: phaseEnded,
  hook_strategy_started(job, data, timestamp) {
    stepStarted(job, data, timestamp);
    for (const hook of data.hooks || []) job.hook({ step_id: data.step_id, hook });
  },
  hook_strategy_completed: strategyEnded,
  hook_strategy_failed: strategyEnded,
  workflow_completed: ended('completed', 'Workflow completed successfully'),
  workflow_failed: ended('failed', 'Workflow failed'),
  workflow_interrupted: ended('interrupted', 'Workflow interrupted'),
};

for (const family of ['config_phase', 'commit_phase', 'publish_phase']) {
  CHANGES[`${family}_started`] = stepStarted;
  CHANGES[`${family}_completed`] = (job, data) => stepEnded(job, data, false, '');
  CHANGES[`${family}_failed`] = CHANGES[`${family}_completed`];
}

/** @type {Record<string, string>} */
const SAYS = {
  run_configuration: 'Reading the configuration',
  run_fast_hooks: 'Running fast hooks',
  run_code_cleaning: 'Cleaning code',
  run_test_workflow: 'Running tests',
  run_comprehensive_hooks: 'Running comprehensive hooks',
};

/** @param {Job} job @param {any} data */
function queued(job, data) {
  job.data.status = 'queued';
  job.data.message = (data.reason ? `Waiting: ${data.reason}` : 'Waiting in the queue').slice(0, TEXT_KEPT);
}

/** @param {Job} job @param {any} data @param {number} timestamp */
function stepStarted(job, data, timestamp) {
  const step = job.step(data.step_id);
  Object.assign(step, { status: 'running', started: timestamp });
  job.data.status = 'running';
  job.showStage(step);
}

/** @param {Job} job @param {any} data @param {boolean} skipped @param {string} reason */
function stepEnded(job, data, skipped, reason) {
  Object.assign(job.step(data.step_id), {
    status: skipped ? 'skipped' : data.success ? 'passed' : 'failed',
    duration: data.duration,
    reason: reason.slice(0, TEXT_KEPT),
    done: 1,
  });
  for (const other of job.steps.values()) if (other.status === 'running') job.showStage(other);
  job.showProgress();
}

/** @param {Job} job @param {any} data */
function phaseEnded(job, data) {
  stepEnded(job, data, data.status === 'skipped', data.reason || '');
  const phase = job.hooks.get(key(data.step_id, ''));
  if (phase) finish(phase, data.status || (data.success ? 'passed' : 'failed'), data.duration, data.reason || '');
}

/** @param {Job} job @param {any} data */
function strategyEnded(job, data) {
  const reason = data.reason || '';
  stepEnded(job, data, Boolean(data.skipped), reason);
  if (!data.skipped) {
    job.skipWaiting(data.step_id, reason || 'not begun');
    return;
  }
  for (const [name, hook] of job.hooks) {
    if (hook.step === data.step_id && hook.status === 'waiting') job.hooks.delete(name);
  }
}

/** @param {Job} job @param {any} data */
function hookEnded(job, data) {
  const hook = job.hook(data);
  hook.cached = Boolean(data.cached);
  hook.findings = Math.max(hook.findings, data.findings || 0);
  hook.fixed = Math.max(hook.fixed, data.fixed || 0);
  finish(hook, data.status, data.duration, data.reason || '');
  const own = job.allHooks.filter((other) => other.step === hook.step);
  const over = own.filter((other) => other.status !== 'waiting' && other.status !== 'running');
  job.step(hook.step).done = over.length / own.length;
  job.showProgress();
  job.count();
}

/** @param {string} status @param {string} message */
function ended(status, message) {
  return (/** @type {Job} */ job, /** @type {any} */ data, /** @type {number} */ timestamp) => {
    const whole = data.reason || '';
    const reason = whole.startsWith(`${status}: `) ? whole.slice(status.length + 2) : whole;
    Object.assign(job.data, {
      status, message: (reason ? `${message}: ${reason}` : message).slice(0, TEXT_KEPT), ended: timestamp,
      counts: { ...job.data.counts, fixed: data.fixed }, // it knows which files were changed before our snapshot
      exit_code: data.exit_code, reason: whole.slice(0, TEXT_KEPT),
      overall_progress: status === 'interrupted' ? job.data.overall_progress : 100,
    });
    for (const step of job.steps.values()) {
      if (step.status === 'running') step.status = 'stopped';
      else if (step.status === 'waiting') step.status = 'skipped';
      job.skipWaiting(step.step_id, 'not begun');
    }
    for (const hook of job.hooks.values()) {
      if (hook.status === 'running') finish(hook, 'stopped', timestamp - (hook.started || timestamp), 'the job ended');
    }
  };
}
