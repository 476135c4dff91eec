// The overview of a job: what runs and what waits, what is wrong so far, and the timeline.

import { eachEvent } from './api.js';
import { fill, h, statusBadge } from './dom.js';
import { plural, seconds } from './format.js';
import { paced } from './pace.js';
import { pathLine } from './places.js';
import { link } from './router.js';
import { failingTests } from './states.js';
import { FirstFindings, SHOWN } from './first-findings.js';
import { tellProblem } from './tell.js';
import { gist } from './test-rows.js';
import './timeline.js';
import { rowsOf, Runs, stepTitle } from './timeline-rows.js';

const QUARTER = 4; // drawings a second of what only time moves
const WITHOUT_RESULT = ['tool_missing', 'tool_error', 'timed_out', 'inconclusive'];

/** @typedef {import('./model.js').Job} Job */

/**
 * @param {HTMLElement} box
 * @param {import('./job-view.js').Context} context
 * @returns {import('./main.js').View}
 */
export function open(box, { job, signal }) {
  const problem = h('div', null);
  const now = h('section', { class: 'now', 'aria-label': 'What runs and waits' });
  const cards = h('div', { class: 'cards' });
  const timeline = /** @type {import('./timeline.js').JobTimeline} */ (h('job-timeline'));
  const closing = new AbortController();
  fill(box, problem, now, cards, timeline);
  const runs = new Runs(job);
  const drawing = paced(draw);
  const first = new FirstFindings(job, signal, drawing.ask);
  let [nowKey, cardsKey] = ['', ''];
  let cardsNext = 0;

  function draw() {
    const time = job.finished ? job.data.ended : Math.floor(QUARTER * Date.now() / 1000) / QUARTER;
    const began = job.data.started ?? time;
    const key = `${time} ${job.allHooks.map((hook) => hook.status).join()} ${[...job.steps.values()].map((step) => step.status).join()}`;
    if (key !== nowKey) fill(now, ...(job.finished ? [] : nowOf(job, time)));
    nowKey = key;
    drawCards();
    const rows = rowsOf(job, runs, time);
    const ends = rows.flatMap((row) => row.bars.map((bar) => bar.to));
    const left = job.finished ? 0 : Math.max(0, ...rows.map((row) => (row.status === 'running' && row.expected !== null ? row.expected - (row.took || 0) : 0)));
    timeline.show(rows, Math.max(time - began + left, ...ends, 0.01), job.finished ? null : time - began);
  }

  function drawCards() {
    const key = JSON.stringify([job.data.failing_tests.length, first.all.slice(0, SHOWN).map((one) => one.fingerprint), job.data.counts, job.finished,
      job.allHooks.map((hook) => hook.status)]);
    // counts that go up by the hundred are told a few times a second: the ticking comes back for the rest
    if (key === cardsKey || (!job.finished && performance.now() < cardsNext)) return;
    cardsKey = key;
    cardsNext = performance.now() + 1000 / QUARTER;
    fill(cards, ...cardsOf(job, first));
  }

  const change = () => drawing.ask();
  const take = (/** @type {Event} */ event) => {
    const { detail } = /** @type {CustomEvent} */ (event);
    runs.apply(detail);
    first.apply(detail);
  };
  job.addEventListener('change', change);
  job.addEventListener('event', take);
  first.load().catch((error) => {
    if (!signal.aborted) tellProblem(problem, error);
  });
  if (runs.blurred) sharpen(job, runs, signal, change);
  draw();
  import('./report.js').then(({ report }) => { // not before what is to be seen
    if (!closing.signal.aborted) box.append(report(job, closing.signal));
  }, () => {}); // without a server there is nothing to print either
  const ticking = setInterval(() => {
    if (!job.finished) drawing.ask();
  }, 1000 / QUARTER);
  return {
    close() {
      closing.abort();
      clearInterval(ticking);
      drawing.stop();
      job.removeEventListener('change', change);
      job.removeEventListener('event', take);
    },
  };
}

/**
 * Learn when each run of a hook was that ran several times.
 * @param {Job} job @param {Runs} runs @param {AbortSignal} signal @param {() => void} then
 */
async function sharpen(job, runs, signal, then) {
  /** @type {any[]} */
  const events = [];
  try {
    const seq = await eachEvent(job.id, 'workflow_started,hook_execution_*', (event) => events.push(event), signal);
    if (seq < job.seq) return; // what is known now is newer
    runs.take(events, seq);
    then();
  } catch {
    // the bars of the snapshot must do: only how a time is divided is not known
  }
}

/** @param {Job} job @param {number} time seconds since the epoch */
function nowOf(job, time) {
  const running = job.allHooks.filter((hook) => hook.status === 'running');
  const steps = [...job.steps.values()];
  const bare = steps.filter((step) => step.status === 'running' && !job.allHooks.some((hook) => hook.step === step.step_id));
  const waiting = steps.filter((step) => step.status === 'waiting');
  const queued = job.allHooks.filter((hook) => hook.status === 'waiting' && job.steps.get(hook.step)?.status === 'running');
  const parts = [];
  if (running.length || bare.length) {
    parts.push(h('h2', null, 'Now'), h('ul', { class: 'running' },
      bare.map((step) => h('li', null, h('b', null, stepTitle(step)))),
      running.map((hook) => {
        const took = Math.max(0, time - (hook.started || time));
        const late = hook.expected !== null && took > hook.expected;
        return h('li', null, h('b', null, hook.name), ' ', h('span', { class: 'faint' },
          seconds(took), hook.expected === null ? '' : late ? `, usually ${seconds(hook.expected)}` : ` of about ${seconds(hook.expected)}`),
          hook.expected === null ? null : h('progress', { max: hook.expected, value: Math.min(took, hook.expected), 'aria-label': hook.name }));
      })));
  }
  const lines = waiting.map((step) => {
    const open = step.needs.map((id) => job.steps.get(id)).filter((need) => need && ['waiting', 'running'].includes(need.status));
    return h('li', null, h('b', null, stepTitle(step)), ' ', h('span', { class: 'faint' },
      open.length ? `for ${open.map((need) => need && stepTitle(need)).join(' and ')}` : 'for its turn'));
  });
  if (queued.length) lines.push(h('li', null, h('b', null, plural(queued.length, 'hook')), ' ', h('span', { class: 'faint' }, `for a free place: ${queued.map((hook) => hook.name).join(', ')}`)));
  if (lines.length) parts.push(h('h2', null, 'Waits'), h('ul', { class: 'waits' }, lines));
  if (!parts.length && job.data.status !== 'running') parts.push(h('p', { class: 'faint' }, job.data.message || 'This job waits for its turn.'));
  return parts;
}

/** @param {Job} job @param {FirstFindings} first */
function cardsOf(job, first) {
  const { counts } = job.data;
  const failed = failingTests(counts.tests);
  const without = job.allHooks.filter((hook) => WITHOUT_RESULT.includes(hook.status));
  const cards = [];
  if (failed) {
    cards.push(card(plural(failed, 'failing test'), job.data.failing_tests.slice(0, SHOWN).map((/** @type {any} */ test) => h('li', null,
      h('a', { href: link(['job', job.id, 'tests'], { test: test.nodeid }) }, h('span', { class: 'mono' }, withoutDirectory(test.nodeid))),
      test.flaky ? [' ', h('span', { class: 'badge warn', title: 'It has also passed at the same content' }, 'flaky')] : null,
      h('div', { class: 'faint gist' }, gist(test.message || '')))), failed, link(['job', job.id, 'tests']), 'All tests'));
  }
  if (counts.findings) {
    cards.push(card(plural(counts.findings, 'finding'), first.all.slice(0, SHOWN).map((one) => h('li', null,
      h('a', { href: link(['job', job.id, 'findings'], { finding: one.fingerprint }) }, h('span', { class: 'mono' }, pathLine(one) || one.hook)),
      ' ', h('span', { class: 'mono faint' }, one.code || one.hook),
      h('div', { class: 'faint gist' }, one.message.slice(0, 300)))), counts.findings, link(['job', job.id, 'findings']), 'All findings'));
  }
  if (without.length) {
    cards.push(card(`${plural(without.length, 'hook')} without a result`, without.map((hook) => h('li', null,
      statusBadge(hook.status), ' ', h('b', null, hook.name),
      h('div', { class: 'faint gist long' }, hook.reason))), without.length, '', ''));
  }
  if (!cards.length && job.data.status === 'completed') {
    return [h('p', { class: 'all-well' }, h('b', { class: 'tone-good' }, '✓ '), 'Nothing is wrong: every hook that ran is content.')];
  }
  return cards;
}

/** @param {string} title @param {HTMLElement[]} lines @param {number} all @param {string} href @param {string} more */
function card(title, lines, all, href, more) {
  return h('section', { class: `card${href ? ' part' : ''}` }, h('h2', null, title), h('ul', null, lines),
    href ? h('p', null, h('a', { href }, all > lines.length ? `${more} (${(all - lines.length).toLocaleString('en')} more)` : more)) : null);
}

/** A test without the directories of its file. @param {string} nodeid */
function withoutDirectory(nodeid) {
  const at = nodeid.indexOf('::');
  const slash = nodeid.lastIndexOf('/', at < 0 ? undefined : at);
  return nodeid.slice(slash + 1);
}
