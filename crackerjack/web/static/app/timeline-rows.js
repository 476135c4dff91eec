// What a timeline shows of a job: its rows, their bars, and the chain of bars that the end had to wait for.

import { entry, seconds, words } from './format.js';
import { link } from './router.js';

const NEAR = 0.02; // seconds between the end of one bar and the start of the next that waited for it
const PHASES = ['cleaning', 'testing']; // rows of a step's own name

/** @type {Record<string, string>} */
const TITLES = {
  run_configuration: 'Configuration', run_fast_hooks: 'Fast hooks', run_code_cleaning: 'Cleaning',
  run_test_workflow: 'Tests', run_comprehensive_hooks: 'Comprehensive hooks',
};

/** @typedef {import('./states.js').Hook} Hook @typedef {import('./states.js').Step} Step @typedef {import('./model.js').Job} Job */
/**
 * @typedef {{from: number, to: number, open: boolean, chained: boolean}} Bar seconds since the job began
 * @typedef {object} Row
 * @property {string} key
 * @property {boolean} head whether it is that of a step with rows of its own below
 * @property {boolean} top whether it is that of a step, which is not below another row
 * @property {string} step
 * @property {string} label
 * @property {string} status
 * @property {Bar[]} bars
 * @property {number | null} expected seconds
 * @property {number | null} took seconds
 * @property {boolean} cached
 * @property {boolean} chained on the longest chain
 * @property {number} findings
 * @property {string} note
 * @property {string} href
 */

/** @param {Step} step */
export function stepTitle(step) {
  return entry(TITLES, step.action) || words(step.action);
}

/** The runs of each hook: a hook that is run again has several. */
export class Runs {
  /** @param {Job} job */
  constructor(job) {
    this.job = job;
    /** @type {Map<Hook, {from: number, to: number | null}[]>} */
    this.of = new Map();
    this.seq = job.seq;
    for (const hook of job.allHooks) {
      if (hook.started === null) continue;
      const to = hook.status === 'running' ? null : hook.started + (hook.duration || 0);
      this.of.set(hook, [{ from: hook.started, to }]);
    }
  }

  /** Whether a snapshot does not say when each of the runs was. */
  get blurred() {
    return this.job.allHooks.some((hook) => hook.fixed || hook.attempt > 1);
  }

  /** Begin anew with the events of the job's log. @param {any[]} events @param {number} seq */
  take(events, seq) {
    this.of.clear();
    this.seq = 0;
    events.forEach((event) => this.apply(event));
    this.seq = Math.max(this.seq, seq);
  }

  /** @param {import('./states.js').JobEvent} event */
  apply({ seq, event_type: type, data, timestamp }) {
    if (seq <= this.seq) return;
    this.seq = seq;
    if (type === 'workflow_started') this.of.clear();
    if (!type.startsWith('hook_execution_')) return;
    const hook = this.job.hook(data);
    const runs = this.of.get(hook) || [];
    this.of.set(hook, runs);
    const last = runs[runs.length - 1];
    if (type === 'hook_execution_started') runs.push({ from: timestamp, to: null });
    else if (last && last.to === null) last.to = timestamp;
    else runs.push({ from: timestamp - data.duration, to: timestamp });
  }
}

/**
 * @param {Job} job
 * @param {Runs} runs
 * @param {number} now seconds since the epoch
 * @returns {Row[]}
 */
export function rowsOf(job, runs, now) {
  const began = job.data.started ?? now;
  const until = job.data.ended ?? now;
  /** @type {Row[]} */
  const rows = [];
  for (const step of job.steps.values()) {
    const hooks = job.allHooks.filter((hook) => hook.step === step.step_id);
    hooks.sort((a, b) => firstStart(a) - firstStart(b) || 0); // those that wait stay as they were planned
    const alone = hooks.length === 1 ? hooks[0] : null;
    rows.push(alone ? hookRow(alone, alone, step) : stepRow(step, hooks.length > 0));
    if (!alone) for (const hook of hooks) rows.push(hookRow(hook, null, step));
  }
  chain(rows, job);
  return rows;

  /** When a hook was first run. @param {Hook} hook */
  function firstStart(hook) {
    return runs.of.get(hook)?.[0]?.from ?? hook.started ?? Infinity;
  }

  /** @param {Step} step @param {boolean} head @returns {Row} */
  function stepRow(step, head) {
    const bars = step.started === null ? [] : [bar(step.started, step.status === 'running' ? null : step.started + (step.duration || 0))];
    return {
      key: step.step_id, head, top: true, step: step.step_id, label: stepTitle(step), status: step.status, bars, expected: null,
      took: took(bars), cached: false, chained: false, findings: 0, note: noteOf(step.status, step.reason), href: '',
    };
  }

  /** @param {Hook} hook @param {Hook | null} alone @param {Step} step @returns {Row} */
  function hookRow(hook, alone, step) {
    let of = runs.of.get(hook);
    if (!of && hook.started !== null) of = [{ from: hook.started, to: hook.status === 'running' ? null : hook.started + (hook.duration || 0) }];
    const bars = (of || []).map(({ from, to }) => bar(from, to));
    const label = alone ? (PHASES.includes(hook.name) ? stepTitle(step) : `${stepTitle(step)}: ${hook.name}`) : hook.name;
    return {
      key: `${step.step_id} ${hook.name}`, head: false, top: alone !== null, step: step.step_id, label, status: hook.status, bars, expected: hook.expected,
      took: took(bars), cached: hook.cached, chained: false, findings: hook.findings,
      note: noteOf(hook.status, hook.reason || (alone ? step.reason : '')), href: hrefOf(job, hook, step),
    };
  }

  /** @param {number} from @param {number | null} to @returns {Bar} */
  function bar(from, to) {
    const end = to ?? until;
    return { from: Math.max(0, from - began), to: Math.max(from, end) - began, open: to === null && !job.finished, chained: false };
  }
}

/** @param {Bar[]} bars */
function took(bars) {
  return bars.length ? bars.reduce((sum, bar) => sum + bar.to - bar.from, 0) : null;
}

/** @param {string} status @param {string} reason */
function noteOf(status, reason) {
  if (status === 'waiting') return 'waits';
  if (status === 'skipped') return `skipped${reason ? `: ${reason}` : ''}`;
  return reason;
}

/** Where there is more about a hook. @param {Job} job @param {Hook} hook @param {Step} step */
function hrefOf(job, hook, step) {
  if (step.action === 'run_test_workflow') return link(['job', job.id, 'tests']);
  if (step.action === 'run_code_cleaning') return link(['job', job.id, 'changes']);
  if (hook.findings) return link(['job', job.id, 'findings'], { hook: hook.name });
  return link(['job', job.id, 'output', hook.name]);
}

/**
 * Mark the longest chain: from the bar that ended last, back to the one that it had to wait for, and so on.
 * Of those that ended just then, it is one of the same step or of a step that this one needs, if there is one.
 * @param {Row[]} rows
 * @param {Job} job
 */
function chain(rows, job) {
  const all = rows.flatMap((row) => (row.head ? [] : row.bars.map((bar) => ({ row, bar }))));
  const left = new Set(all);
  const end = all.reduce((most, one) => Math.max(most, one.bar.to), -1);
  // Of several that ended just then, the last in the plan: which it was must not hang on a rounding.
  let at = all.filter((one) => one.bar.to >= end - NEAR).at(-1) || null;
  while (at) {
    at.bar.chained = at.row.chained = true;
    left.delete(at);
    const { step } = at.row;
    const start = at.bar.from;
    const needs = job.steps.get(step)?.needs || [];
    const before = [...left].filter((one) => one.bar.to <= start + NEAR && one.bar.from < start);
    const latest = before.reduce((most, one) => Math.max(most, one.bar.to), -1);
    const near = before.filter((one) => one.bar.to >= latest - NEAR);
    const kin = near.filter((one) => one.row.step === step || needs.includes(one.row.step));
    at = (kin.length ? kin : near).reduce((last, one) => (!last || one.bar.to > last.bar.to ? one : last), /** @type {typeof all[0] | null} */ (null));
  }
}

/** The chain in words, bar by bar, first to last. @param {Row[]} rows */
export function chainInWords(rows) {
  return rows.flatMap((row) => row.bars.filter((bar) => bar.chained).map((bar) => ({ row, bar })))
    .sort((a, b) => a.bar.from - b.bar.from)
    .map(({ row, bar }) => `${row.label} ${seconds(bar.to - bar.from)}`);
}

/** A row in words. @param {Row} row */
export function inWords(row) {
  const parts = [`${row.label}: ${words(row.status)}`];
  if (row.cached) parts.push('known from an earlier run on the same files');
  if (row.took !== null) {
    parts.push(`${row.status === 'running' ? 'runs for' : 'took'} ${seconds(row.took)}, from ${seconds(row.bars[0].from)} on`);
  }
  if (row.bars.length > 1) parts.push(`${row.bars.length} runs`);
  if (row.expected !== null && !row.cached) parts.push(`usually ${seconds(row.expected)}`);
  if (row.findings) parts.push(`${row.findings.toLocaleString('en')} found`);
  if (row.note && row.note !== 'waits') parts.push(row.note);
  if (row.chained) parts.push('on the longest chain');
  return parts.join(', ');
}
