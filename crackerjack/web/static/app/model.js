// What a job is now: a snapshot of the server, and the events after it.

/**
 * @typedef {{step_id: string, action: string, needs: string[], status: string, started: number | null,
 *   duration: number | null, reason: string}} Step
 * @typedef {{name: string, step: string, status: string, started: number | null, expected: number | null,
 *   duration: number | null, findings: number, fixed: number, cached: boolean, reason: string,
 *   attempt: number}} Hook
 * @typedef {{event_type: string, data: any, timestamp: number, job_id: string, seq: number}} JobEvent
 */

/** A job, changed by `apply` alone. */
export class Job extends EventTarget {
  /** @param {any} message the `job_snapshot` */
  constructor(message) {
    super();
    const data = message.data;
    this.id = /** @type {string} */ (data.job_id);
    this.seq = 0;
    this.data = data;
    /** @type {Map<string, Step>} */
    this.steps = new Map();
    /** @type {Map<string, Hook>} */
    this.hooks = new Map();
    this.take(message);
  }

  /** Begin anew from a snapshot. @param {any} message */
  take(message) {
    const data = message.data;
    this.seq = /** @type {number} */ (message.seq);
    this.data = data;
    this.steps = new Map(data.steps.map((/** @type {Step} */ step) => [step.step_id, step]));
    this.hooks = new Map(data.hooks.map((/** @type {Hook} */ hook) => [`${hook.step} ${hook.name}`, hook]));
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
    const change = CHANGES[event.event_type];
    if (this.data.started === null) this.data.started = event.timestamp;
    if (change) change(this, event.data, event.timestamp);
    this.dispatchEvent(new CustomEvent('event', { detail: event }));
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }

  /**
   * The hook of a step; one that is run again to confirm a fix is that of the earlier step.
   * @param {any} data
   * @returns {Hook}
   */
  hook(data) {
    const key = `${data.step_id} ${data.hook}`;
    const known = this.hooks.get(key)
      || (data.rerun ? this.allHooks.reverse().find((hook) => hook.name === data.hook) : undefined);
    if (known) return known;
    const made = {
      name: data.hook, step: data.step_id, status: 'waiting', started: null, expected: null, duration: null,
      findings: 0, fixed: 0, cached: false, reason: '', attempt: 1,
    };
    this.hooks.set(key, made);
    return made;
  }

  /** @param {string} stepId @returns {Step} */
  step(stepId) {
    let step = this.steps.get(stepId);
    if (!step) {
      step = {
        step_id: stepId, action: stepId.replace(/_\d+$/, ''), needs: [], status: 'waiting', started: null,
        duration: null, reason: '',
      };
      this.steps.set(stepId, step);
    }
    return step;
  }
}

/** @type {Record<string, (job: Job, data: any, timestamp: number) => void>} */
const CHANGES = {
  workflow_session_initializing(job, data) {
    Object.assign(job.data, { workflow: data.workflow, title: data.title, project: data.project });
    job.data.status = 'running';
  },
  workflow_started(job, data) {
    job.data.status = 'running';
    job.data.workflow = data.workflow;
    job.steps.clear();
    job.hooks.clear();
    for (const planned of data.steps) Object.assign(job.step(planned.step_id), planned);
  },
  job_queued(job, data) {
    job.data.status = 'queued';
    job.data.message = `Waiting: ${data.reason || 'in the queue'}`;
  },
  hook_execution_started(job, data, timestamp) {
    const hook = job.hook(data);
    Object.assign(hook, { status: 'running', started: timestamp, expected: data.expected, findings: 0, cached: false });
    hook.attempt = data.attempt;
    job.data.status = 'running';
  },
  hook_execution_completed: hookEnded,
  hook_execution_failed: hookEnded,
  diagnostic_found(job, data) {
    const hook = job.hook(data);
    if (data.severity !== 'note') hook.findings += 1;
    const counts = job.data.counts;
    if (data.severity !== 'note') counts.findings += 1;
    counts[`${data.severity}s`] = (counts[`${data.severity}s`] || 0) + 1;
  },
  file_fixed(job, data) {
    if (data.fixed) job.data.counts.fixed += 1;
  },
  tests_collected(job, data) {
    job.data.counts.tests.collected = (job.data.counts.tests.collected || 0) + data.count;
  },
  test_completed(job, data) {
    const tests = job.data.counts.tests;
    tests[data.outcome] = (tests[data.outcome] || 0) + 1;
  },
  coverage_measured(job, data) {
    job.data.coverage = data.percent;
  },
  workflow_completed: ended('completed', 'Workflow completed successfully'),
  workflow_failed: ended('failed', 'Workflow failed'),
  workflow_interrupted: ended('interrupted', 'Workflow interrupted'),
};

for (const family of ['config_phase', 'quality_phase', 'hook_strategy', 'commit_phase', 'publish_phase']) {
  CHANGES[`${family}_started`] = (job, data, timestamp) => {
    const step = job.step(data.step_id);
    Object.assign(step, { status: 'running', started: timestamp });
    job.data.status = 'running';
    job.data.message = SAYS[step.action] || step.action.replace(/_/g, ' ');
    job.data.current_stage = step.action;
    for (const name of data.hooks || []) job.hook({ step_id: data.step_id, hook: name });
  };
  CHANGES[`${family}_completed`] = stepEnded;
  CHANGES[`${family}_failed`] = stepEnded;
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
function stepEnded(job, data) {
  const skipped = data.skipped || data.status === 'skipped';
  Object.assign(job.step(data.step_id), {
    status: skipped ? 'skipped' : data.success ? 'passed' : 'failed',
    duration: data.duration,
    reason: data.reason || '',
  });
  const done = [...job.steps.values()].filter((step) => !['waiting', 'running'].includes(step.status)).length;
  job.data.overall_progress = Math.max(job.data.overall_progress, Math.min(99, Math.floor(100 * done / job.steps.size)));
}

/** @param {Job} job @param {any} data */
function hookEnded(job, data) {
  const hook = job.hook(data);
  const fixed = data.status === 'passed' && hook.fixed > 0;
  Object.assign(hook, {
    status: fixed ? 'fixed' : data.status,
    duration: (hook.duration || 0) + data.duration,
    findings: Math.max(hook.findings, data.findings),
    fixed: Math.max(hook.fixed, data.fixed),
    cached: data.cached,
    reason: data.reason || '',
  });
}

/** @param {string} status @param {string} message */
function ended(status, message) {
  return (/** @type {Job} */ job, /** @type {any} */ data, /** @type {number} */ timestamp) => {
    const reason = (data.reason || '').replace(`${status}: `, '');
    Object.assign(job.data, {
      status, message: reason ? `${message}: ${reason}` : message, ended: timestamp, exit_code: data.exit_code,
      reason: data.reason || '', overall_progress: status === 'interrupted' ? job.data.overall_progress : 100,
    });
    for (const hook of job.hooks.values()) {
      if (hook.status === 'running') Object.assign(hook, { status: 'stopped', duration: timestamp - (hook.started || timestamp) });
      if (hook.status === 'waiting') hook.status = 'skipped';
    }
    for (const step of job.steps.values()) {
      if (step.status === 'running') step.status = 'stopped';
      if (step.status === 'waiting') step.status = 'skipped';
    }
  };
}
