// One job: its head, which is always there, and a tab for each way of looking at it.

import { get, post } from './api.js';
import { fill, h, onceAFrame } from './dom.js';
import { age, moment, name, plural, seconds, sign, tone, words } from './format.js';
import { follow } from './live.js';
import { tellConnection, tellProblem } from './main.js';
import { Job } from './model.js';
import { link } from './router.js';

/**
 * What a tab is given.
 * @typedef {object} Context
 * @property {Job} job
 * @property {import('./router.js').Place} place
 * @property {AbortSignal} signal of when it is closed
 */

/** @type {Record<string, {title: string, load: () => Promise<{open: (box: HTMLElement, context: Context) => import('./main.js').View}>}>} */
const TABS = {
  '': { title: 'Overview', load: () => import('./tab-overview.js') },
  findings: { title: 'Findings', load: () => import('./tab-findings.js') },
  tests: { title: 'Tests', load: () => import('./tab-tests.js') },
  output: { title: 'Output', load: () => import('./tab-output.js') },
  changes: { title: 'Changes', load: () => import('./tab-changes.js') },
  events: { title: 'Events', load: () => import('./tab-events.js') },
};

/**
 * @param {HTMLElement} main
 * @param {import('./router.js').Place} place
 */
export function open(main, place) {
  const jobId = place.parts[1] || '';
  const closing = new AbortController();
  const head = h('div', null);
  const problem = h('div', null);
  const tabs = h('nav', { class: 'tabs', 'aria-label': 'About this job' });
  const box = h('div', null);
  fill(main, head, problem, tabs, box);

  /** @type {Job | null} */
  let job = null;
  /** @type {import('./main.js').View | null} */
  let tab = null;
  let shown = '-';
  let at = place;
  let stop = () => {};
  let opening = 0;

  const drawHead = onceAFrame(() => {
    if (job && !closing.signal.aborted) fill(head, ...headOf(job, problem));
  });

  async function showTab() {
    const key = at.parts[2] || '';
    for (const anchor of tabs.querySelectorAll('a')) {
      if (anchor.dataset.tab === key) anchor.setAttribute('aria-current', 'page');
      else anchor.removeAttribute('aria-current');
    }
    if (!job) return;
    if (tab && key === shown && tab.update && tab.update(at)) return;
    const mine = opening += 1;
    tab?.close();
    tab = null;
    shown = key;
    const known = TABS[key];
    if (!known) {
      fill(box, h('p', { class: 'empty' }, 'There is nothing here.'));
      return;
    }
    const module = await known.load();
    if (mine !== opening || closing.signal.aborted) return;
    fill(box);
    tab = module.open(box, { job, place: at, signal: closing.signal });
  }

  async function load() {
    try {
      const message = await get(`/jobs/${encodeURIComponent(jobId)}`, closing.signal);
      job = new Job(message);
    } catch (error) {
      if (!closing.signal.aborted) tellProblem(problem, error);
      return;
    }
    const now = job;
    fill(tabs, ...Object.entries(TABS).map(([key, { title }]) =>
      h('a', { href: link(['job', jobId, ...(key ? [key] : [])]), 'data-tab': key }, title)));
    document.title = `${name(now.data.project)} ${jobId} - crackerjack`;
    now.addEventListener('change', drawHead);
    drawHead();
    showTab();
    if (now.finished) return;
    stop = follow(`job/${jobId}`, now.seq, (events) => events.forEach((event) => now.apply(event)), tellConnection,
      (error) => {
        if (error) tellProblem(problem, error);
        tellConnection(null);
      });
  }

  load();
  const ticking = setInterval(() => {
    if (job && !job.finished) drawHead();
  }, 1000);

  return {
    /** @param {import('./router.js').Place} next */
    update(next) {
      at = next;
      showTab();
      return true;
    },
    close() {
      closing.abort();
      clearInterval(ticking);
      tab?.close();
      stop();
      document.title = 'crackerjack';
    },
  };
}

/**
 * @param {Job} job
 * @param {HTMLElement} problem
 */
function headOf(job, problem) {
  const data = job.data;
  const counts = data.counts;
  const tests = counts.tests;
  const failed = (tests.failed || 0) + (tests.error || 0);
  const done = ['passed', 'failed', 'error', 'skipped', 'xfailed', 'xpassed'].reduce((/** @type {number} */ sum, one) => sum + (tests[one] || 0), 0);
  const took = data.started === null ? null : (data.ended ?? Date.now() / 1000) - data.started;
  const cancel = async () => {
    try {
      await post(`/jobs/${encodeURIComponent(job.id)}/cancel`);
    } catch (error) {
      tellProblem(problem, error);
    }
  };
  return [
    h('h1', null, name(data.project || job.id), ' ', h('span', { class: 'faint' }, job.id)),
    h('div', { class: 'facts' },
      h('span', { class: `badge ${tone(data.status)}` }, `${sign(data.status)} ${words(data.status)}`),
      h('span', null, data.message)),
    h('div', { class: 'facts' },
      h('span', { title: data.project }, data.title || data.workflow),
      data.started === null ? null : h('span', { title: moment(data.started) }, age(data.started)),
      h('span', null, h('b', null, seconds(took))),
      !job.finished && data.remaining ? h('span', null, `about ${seconds(data.remaining)} left`) : null,
      h('span', { class: counts.findings ? 'tone-bad' : '' }, h('b', { 'data-count': 'findings' }, String(counts.findings)), ' findings'),
      done ? h('span', { class: failed ? 'tone-bad' : '' }, h('b', { 'data-count': 'tests' }, `${done}`),
        tests.collected ? `/${tests.collected} tests` : ' tests', failed ? `, ${failed} failed` : '') : null,
      counts.fixed ? h('span', null, `fixed ${plural(counts.fixed, 'file')}`) : null,
      data.coverage === null ? null : h('span', null, `${data.coverage.toFixed(1)} % covered`)),
    job.finished
      ? h('div', { class: 'bar' }, h('a', { href: link(['compare', job.id]) }, 'Compare with the run before'))
      : h('div', { class: 'bar' },
        h('progress', { max: 100, value: data.overall_progress, 'aria-label': 'Progress' }),
        h('button', { onclick: cancel }, 'Cancel')),
  ];
}
