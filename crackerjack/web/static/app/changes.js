// How each event changes a job, as crackerjack/jobs/changes.py has it.

import { endedTests, failingTests, key, newHook, newStep, noTests, OUTCOMES, TEXT_KEPT } from './states.js';

/** @typedef {import('./model.js').Job} Job @typedef {import('./states.js').Hook} Hook */

const FAILING_KEPT = 20; // tests, as the server keeps them

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
export const CHANGES = {
  workflow_session_initializing(job, data) {
    Object.assign(job.data, { workflow: data.workflow, title: data.title, project: data.project });
  },
  workflow_started(job, data) {
    Object.assign(job.data, { status: 'running', workflow: data.workflow, expected: data.expected ?? null });
    startOver(job);
    job.steps = new Map(data.steps.map((/** @type {any} */ step) =>
      [step.step_id, newStep(step.step_id, step.action, step.needs || [])]));
    job.count();
  },
  job_queued: queued,
  job_requeued(job, data) {
    if (data.part) return; // it begins anew with an event of its own
    queued(job, data);
    startOver(job);
    job.steps = new Map([...job.steps].map(([id, step]) => [id, newStep(id, step.action, step.needs)]));
    job.count();
  },
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

/** @param {Job} job @param {any} data */
function queued(job, data) {
  job.data.status = 'queued';
  job.data.message = (data.reason ? `Waiting: ${data.reason}` : 'Waiting in the queue').slice(0, TEXT_KEPT);
  if (data.project) job.data.project = data.project;
}

/** What was found so far counts no more. @param {Job} job */
function startOver(job) {
  job.hooks.clear();
  job.goesOn.clear();
  job.changedPaths = new Map();
  job.fixedPaths = new Set();
  job.fixedBefore = 0;
  Object.assign(job.data, { failing_tests: [], coverage: null });
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
      if (hook.status === 'running') finish(hook, 'stopped', Math.max(0, timestamp - (hook.started || timestamp)), 'the job ended');
    }
  };
}
