// What waits for workers, what they have, and who they are.

import { get } from './api.js';
import { fill, h, refill } from './dom.js';
import { followJobs } from './follow-jobs.js';
import { plural, projectName, seconds } from './format.js';
import { link } from './router.js';
import { tellProblem } from './tell.js';

const SOON = 500; // milliseconds after an event until the queue is asked for
const EVERY = 3000; // milliseconds; a worker that dies makes no event

/**
 * @typedef {{job_id: string, part: string, project: string, priority: number, needs: string[], age: number, worker: string}} Entry
 * @typedef {{worker: string, slots: number, busy: number, labels: Record<string, string>, draining: boolean, version: string}} Worker
 * @typedef {{depth: number, oldest: number, running: number, slots: number, jobs: Entry[], workers: Worker[]}} Queue
 */

/**
 * @param {HTMLElement} main
 * @returns {import('./main.js').View}
 */
export function open(main) {
  const closing = new AbortController();
  const problem = h('div', null);
  const box = h('div', null);
  fill(main, h('h1', null, 'Queue'), problem, box);
  document.title = 'Queue - crackerjack';

  let loading = false;
  async function load() {
    if (loading || document.hidden) return;
    loading = true;
    try {
      const queue = await get('/queue', closing.signal);
      fill(problem);
      refill(box, ...shown(queue));
    } catch (error) {
      if (!closing.signal.aborted) tellProblem(problem, error);
    }
    loading = false;
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let soon;
  const stop = followJobs(load, () => {
    soon ??= setTimeout(() => {
      soon = undefined;
      load();
    }, SOON);
  }, problem);
  const looking = setInterval(load, EVERY);
  document.addEventListener('visibilitychange', load, { signal: closing.signal });
  return {
    close() {
      closing.abort();
      clearTimeout(soon);
      clearInterval(looking);
      stop();
    },
  };
}

/** @param {Queue} queue */
function shown(queue) {
  const waits = queue.depth ? `, the first for ${seconds(queue.oldest)}` : '';
  return [
    h('p', { class: 'facts' },
      h('span', null, h('b', null, `${queue.depth}`), ` waiting${waits}`),
      h('span', null, h('b', null, `${queue.running}`), ' running'),
      h('span', null, h('b', null, plural(queue.slots, 'slot')), ` of ${plural(queue.workers.length, 'worker')}`)),
    h('h2', null, 'Jobs'),
    queue.jobs.length
      ? h('ul', { class: 'rows', 'aria-label': 'Jobs' }, queue.jobs.map(job))
      : h('p', { class: 'empty' }, 'Nothing waits, and nothing runs. ', h('code', null, 'crackerjack run --broker'), ' puts a run into the queue.'),
    h('h2', null, 'Workers'),
    queue.workers.length
      ? h('ul', { class: 'rows', 'aria-label': 'Workers' }, queue.workers.map(worker))
      : h('p', { class: 'empty' }, 'There is no worker: nothing begins. ', h('code', null, 'crackerjack worker'), ' starts one.'),
  ];
}

/** @param {Entry} entry */
function job(entry) {
  const needs = entry.needs.length && !entry.part ? `needs ${entry.needs.join(', ')}` : '';
  return h('li', null, h('a', { class: 'row queue-row', href: link(['job', entry.job_id]) },
    badge(entry.worker ? 'live' : 'quiet', entry.worker ? '● running' : '– waiting'),
    h('span', { title: entry.project }, h('b', null, projectName(entry.project)), h('span', { class: 'faint' }, ` ${entry.part || 'the whole run'}`)),
    h('span', { class: 'faint' }, entry.worker ? `on ${host(entry.worker)}` : needs),
    h('span', { class: 'faint' }, `priority ${entry.priority}`),
    h('span', { class: 'number' }, seconds(entry.age))));
}

/** @param {Worker} one */
function worker(one) {
  const labels = Object.entries(one.labels).sort().map(([key, value]) => `${key}=${value}`).join(' ');
  return h('li', null, h('div', { class: 'row queue-row' },
    one.draining ? badge('warn', '! going down') : one.busy ? badge('live', '● busy') : badge('quiet', '– idle'),
    h('b', { title: one.worker }, host(one.worker)),
    h('span', { class: 'faint' }, labels),
    h('span', { class: 'faint' }, one.version),
    h('span', { class: 'number' }, `${one.busy} of ${one.slots}`)));
}

/** @param {string} tone @param {string} text */
function badge(tone, text) {
  return h('span', null, h('span', { class: `badge ${tone}` }, text));
}

/** A process of a machine, for people. @param {string} identity */
function host(identity) {
  const [machine, number] = identity.split(':');
  return `${machine} ${number || ''}`.trim();
}
