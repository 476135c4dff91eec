// One job: its head, which is always there, and a tab for each way of looking at it.

import { get, jobPath, post, Refused } from './api.js';
import { fill, h, onceAFrame, statusBadge } from './dom.js';
import { age, entry, moment, plural, projectName, seconds } from './format.js';
import { follow } from './live.js';
import { Job } from './model.js';
import { link } from './router.js';
import { endedTests, failingTests } from './states.js';
import { tellConnection, tellProblem } from './tell.js';

/**
 * What a tab is given.
 * @typedef {object} Context
 * @property {Job} job
 * @property {import('./router.js').Place} place
 * @property {AbortSignal} signal of when it is closed
 */

const RETRY = 2000; // milliseconds until a server that does not answer, or does not know the job yet, is asked again

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
  const problem = h('div', null);
  const head = newHead(jobId, problem);
  const tabs = h('nav', { class: 'tabs', 'aria-label': 'About this job' });
  const box = h('div', null);
  fill(main, head.element, problem, tabs, box);

  /** @type {Job | null} */
  let job = null;
  /** @type {import('./main.js').View | null} */
  let tab = null;
  let shown = '-';
  let at = place;
  let stop = () => {};
  let opening = 0;
  let awaited = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let trying;

  const drawHead = onceAFrame(() => {
    if (job && !closing.signal.aborted) head.draw(job);
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
    const known = entry(TABS, key);
    if (!known) {
      fill(box, h('p', { class: 'empty' }, 'There is nothing here.'));
      return;
    }
    let module;
    try {
      module = await known.load();
    } catch {
      if (mine === opening) fill(box, h('p', { class: 'problem', role: 'alert' }, 'This tab could not be loaded: the server does not answer. Choose it again.'));
      shown = '-';
      return;
    }
    if (mine !== opening || closing.signal.aborted) return;
    fill(box);
    tab = module.open(box, { job, place: at, signal: closing.signal });
  }

  async function load() {
    try {
      const message = await get(jobPath(jobId), closing.signal);
      fill(problem);
      job = new Job(message);
    } catch (error) {
      if (closing.signal.aborted) return;
      const status = error instanceof Refused ? error.status : null;
      if (status !== 404 || !awaited) tellProblem(problem, error); // an alert is read aloud each time that it is told
      if (status === 404 && !awaited) problem.append(h('p', { class: 'empty' }, 'If it has yet to begin, it is shown here as soon as it does.'));
      awaited = status === 404;
      if (awaited || (error instanceof Refused && error.mayPass)) trying = setTimeout(load, RETRY);
      return;
    }
    const now = job;
    fill(tabs, ...Object.entries(TABS).map(([key, { title }]) =>
      h('a', { href: link(['job', jobId, ...(key ? [key] : [])]), 'data-tab': key }, title)));
    document.title = `${projectName(now.data.project)} ${jobId} - crackerjack`;
    now.addEventListener('change', drawHead);
    drawHead();
    showTab();
    if (now.finished) return;
    stop = follow(`job/${jobId}`, now.seq, (events) => events.forEach((event) => now.apply(event)), tellConnection,
      (error) => {
        tellConnection(null);
        if (error) tellProblem(problem, error);
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
      clearTimeout(trying);
      tab?.close();
      stop();
      document.title = 'crackerjack';
    },
  };
}

/**
 * The head of a job. Its controls stay the same elements: what is focused must not go away under one's hands.
 * @param {string} jobId
 * @param {HTMLElement} problem where it is told what went wrong
 */
function newHead(jobId, problem) {
  const title = h('h1', null, h('span', { class: 'faint' }, jobId));
  const status = h('div', { class: 'facts', role: 'status' });
  const facts = h('div', { class: 'facts' });
  const progress = h('progress', { max: 100, value: 0, 'aria-label': 'Progress' });
  const cancel = /** @type {HTMLButtonElement} */ (h('button', {
    onclick: async () => {
      cancel.disabled = true;
      try {
        await post(jobPath(jobId, 'cancel'));
      } catch (error) {
        cancel.disabled = false;
        tellProblem(problem, error);
      }
    },
  }, 'Cancel'));
  const running = h('div', { class: 'bar', hidden: true }, progress, cancel);
  const compare = h('div', { class: 'bar', hidden: true }, h('a', { href: link(['compare', jobId]) }, 'Compare with the run before'));
  let said = '';

  /** @param {Job} job */
  function draw(job) {
    const data = job.data;
    const looks = JSON.stringify([data.status, data.message, data.project]);
    if (looks !== said) {
      said = looks;
      fill(title, data.project ? `${projectName(data.project)} ` : null, h('span', { class: 'faint' }, job.id));
      fill(status, statusBadge(data.status), h('span', null, data.message));
    }
    fill(facts, ...factsOf(job));
    progress.setAttribute('value', String(percentOf(job)));
    running.hidden = job.finished;
    compare.hidden = !job.finished;
  }
  return { element: h('div', null, title, status, facts, running, compare), draw };
}

/** How far it is: in time, where that is known, as what is said beside it; else in steps. @param {Job} job */
function percentOf(job) {
  const now = Date.now() / 1000;
  const left = job.remaining(now);
  const took = now - (job.data.started ?? now);
  return left && took > 0 ? Math.floor(100 * took / (took + left)) : job.data.overall_progress;
}

/** @param {Job} job */
function factsOf(job) {
  const data = job.data;
  const counts = data.counts;
  const tests = counts.tests;
  const failed = failingTests(tests);
  const done = endedTests(tests);
  const now = Date.now() / 1000;
  const took = data.started === null ? null : Math.max(0, (data.ended ?? now) - data.started);
  const left = job.remaining(now);
  return [
    data.title || data.workflow ? h('span', { title: data.project }, data.title || data.workflow) : null,
    data.started === null ? null : h('span', { title: moment(data.started) }, h('span', { class: 'on-screen' }, age(data.started)), h('span', { class: 'on-paper' }, moment(data.started))),
    h('span', null, h('b', null, seconds(took))),
    left ? h('span', null, `about ${seconds(left)} left`) : null,
    h('span', { class: counts.findings ? 'tone-bad' : '' }, h('b', { 'data-count': 'findings' }, String(counts.findings)), counts.findings === 1 ? ' finding' : ' findings'),
    done ? h('span', { class: failed ? 'tone-bad' : '' }, h('b', { 'data-count': 'tests' }, `${done}`),
      tests.collected > done ? `/${tests.collected} tests` : ' tests', failed ? `, ${failed} failed` : '') : null,
    counts.fixed ? h('span', null, `fixed ${plural(counts.fixed, 'file')}`) : null,
    data.coverage === null ? null : h('span', null, `${data.coverage.toFixed(1)} % covered`),
    h('span', { title: 'The last event that this page shows' }, 'event ', h('span', { 'data-count': 'seq' }, String(job.seq))),
  ];
}
