// One run against another: what is new, what is fixed, what remains, and where the time went.

import { get, jobPath } from './api.js';
import { bar } from './chart.js';
import { fill, h, refill, statusBadge } from './dom.js';
import { followProject } from './follow-jobs.js';
import { age, moment, plural, projectName, seconds, sign, tone, words } from './format.js';
import { link, refine } from './router.js';
import { tellProblem } from './tell.js';

const AT_ONCE = 100; // rows of a list that are drawn before anybody asks for more
const LONGEST = 1000; // characters of a message in a row
const NOTABLE = 0.15; // of a duration: less is noise

/**
 * @typedef {{hook: string, path: string, line: number | null, column: number | null, code: string, severity: string,
 *   message: string, fingerprint: string}} Finding
 * @typedef {{hook: string, nodeid: string, outcome: string, message: string, path: string, line: number | null}} Test
 */

/**
 * @param {HTMLElement} main
 * @param {import('./router.js').Place} place
 * @returns {import('./main.js').View}
 */
export function open(main, place) {
  const closing = new AbortController();
  let jobId = place.parts[1] || '';
  let base = place.query.get('base') || '';
  let project = '';
  let asked = 0;
  let drawn = '';
  const head = h('div', null, h('h1', null, 'Compare'));
  const problem = h('div', null);
  const box = h('div', null);
  fill(main, head, problem, box);

  async function show() {
    const mine = asked += 1;
    box.setAttribute('aria-busy', 'true');
    try {
      const now = (await get(jobPath(jobId), closing.signal)).data;
      project = now.project;
      const query = new URLSearchParams({ project, limit: '200' });
      const listed = project ? (await get(`/jobs?${query}`, closing.signal)).jobs : [];
      const others = listed.filter((/** @type {any} */ one) => one.job_id !== jobId);
      const found = others.length ? await compared() : null;
      const before = found && !found.refused ? (await get(jobPath(found.base), closing.signal)).data : null;
      if (mine !== asked) return;
      document.title = `${projectName(project)} ${jobId} compared - crackerjack`;
      fill(problem);
      refill(head, ...headOf(now, others, before ? found.base : base, choose));
      const looks = JSON.stringify([found, before?.hooks, now.hooks]);
      if (looks !== drawn) refill(box, ...(before ? comparison(found, before, now) : [found ? found.refused : alone(now)]));
      drawn = looks;
    } catch (error) {
      if (closing.signal.aborted || mine !== asked) return;
      drawn = '';
      fill(box);
      tellProblem(problem, error);
    } finally {
      if (mine === asked) box.removeAttribute('aria-busy');
    }
  }

  /** The comparison, or why there is none with that run. */
  async function compared() {
    try {
      return await get(`${jobPath(jobId, 'compare')}?${new URLSearchParams({ base })}`, closing.signal);
    } catch (error) {
      if (/** @type {any} */ (error).status !== 409) throw error;
      return { refused: h('p', { class: 'empty' }, base ? `${/** @type {Error} */ (error).message}. Choose another run above.`
        : 'No finished run came before this one. Choose a run above to compare it with.') };
    }
  }

  /** @param {string} chosen */
  function choose(chosen) {
    base = chosen;
    refine({ base });
    show();
  }

  const stop = followProject(show, () => project, problem, closing.signal);
  return {
    /** @param {import('./router.js').Place} next */
    update(next) {
      jobId = next.parts[1] || '';
      base = next.query.get('base') || '';
      show();
      return true;
    },
    close() {
      closing.abort();
      stop();
      document.title = 'crackerjack';
    },
  };
}

/** @param {any} now @param {any[]} others @param {string} base @param {(base: string) => void} choose */
function headOf(now, others, base, choose) {
  const select = /** @type {HTMLSelectElement} */ (h('select', {
    name: 'base', onchange: () => choose(select.value),
  }, others.map((job) => h('option', { value: job.job_id, title: moment(job.created) },
    `${age(job.created)}: ${words(job.status)}, ${job.workflow} (${job.job_id})`))));
  if (!base) select.prepend(h('option', { value: '', disabled: true }, 'choose a run'));
  else if (others.every((job) => job.job_id !== base)) select.append(h('option', { value: base }, base));
  select.value = base;
  return [
    h('h1', null, 'Compare ', h('span', { class: 'faint' }, projectName(now.project || now.job_id))),
    h('div', { class: 'bar compare-runs' },
      h('span', null, 'This run ', h('a', { href: link(['job', now.job_id]) }, now.job_id), ' ',
        statusBadge(now.status),
        now.started === null ? null : h('span', { class: 'faint', title: moment(now.started) }, ` ${age(now.started)}`)),
      others.length ? h('label', null, 'against', select) : null),
  ];
}

/** @param {any} now */
function alone(now) {
  return h('p', { class: 'empty' }, `This is the only run of ${projectName(now.project) || 'its project'}: there is none to compare it with. Run `,
    h('code', null, 'crackerjack'), ' there again.');
}

/** @param {any} found @param {any} before @param {any} now */
function comparison(found, before, now) {
  const partly = found.unseen.length || found.unseen_tests.length;
  return [
    h('ul', { class: 'tiles', 'aria-label': 'In short' },
      tile('New', found.new.length, found.new_tests.length, 'bad'),
      tile('Fixed', found.fixed.length, found.fixed_tests.length, 'good'),
      tile('Remaining', found.remaining.length, found.remaining_tests.length, 'warn'),
      partly ? tile('Not looked at', found.unseen.length, found.unseen_tests.length, 'quiet') : null),
    notCompared(found.not_compared, found.base),
    ...groups(found),
    h('section', { 'aria-labelledby': 'time-title' }, h('h2', { id: 'time-title' }, 'Time per hook'), times(before, now)),
  ];
}

/** @param {string} title @param {number} findings @param {number} tests @param {string} kind */
function tile(title, findings, tests, kind) {
  const any = findings + tests > 0;
  return h('li', { class: `tile ${any ? kind : 'quiet'}`, 'data-tile': title },
    h('span', { class: 'tile-title' }, title),
    h('b', null, String(findings + tests)),
    h('span', { class: 'faint small' }, `${plural(findings, 'finding')}, ${plural(tests, 'test')}`));
}

/** @param {Record<string, string>} hooks @param {string} base */
function notCompared(hooks, base) {
  const names = Object.entries(hooks);
  if (!names.length) return null;
  return h('section', { class: 'note', 'aria-label': 'Not compared' },
    h('p', null, h('b', null, `Not compared: ${plural(names.length, 'hook')} without a result in one of the runs`),
      h('span', { class: 'faint' }, ` (before is ${base}). Their findings are neither new nor fixed.`)),
    h('ul', null, names.map(([hook, why]) => h('li', null, h('code', null, hook), ': ', words(why)))));
}

/** @param {any} found */
function groups(found) {
  const now = found.job;
  const same = !['new', 'fixed', 'remaining', 'unseen', 'new_tests', 'fixed_tests', 'remaining_tests', 'unseen_tests']
    .some((key) => found[key].length);
  if (same) {
    return [h('p', { class: 'empty' }, '✓ Neither run found anything in what both looked at.')];
  }
  return [
    group('New', '✗', 'bad', 'In this run, and not in the other.', true, findingRows(found.new, now), testRows(found.new_tests, now)),
    group('Fixed', '✓', 'good', 'In the other run, and not in this one.', true,
      findingRows(found.fixed, found.base), testRows(found.fixed_tests, now)),
    group('Remaining', '–', 'warn', 'In both.', !found.new.length && !found.fixed.length,
      findingRows(found.remaining, now), testRows(found.remaining_tests, now)),
    group('Not looked at', '?', 'quiet', 'In the other run, and maybe still there: this one looked at a part of the files or tests only.',
      false, findingRows(found.unseen, found.base), testRows(found.unseen_tests, found.base)),
  ];
}

/**
 * @param {string} title
 * @param {string} mark
 * @param {string} kind
 * @param {string} explained
 * @param {boolean} open
 * @param {(() => HTMLElement)[]} findings
 * @param {(() => HTMLElement)[]} tests
 */
function group(title, mark, kind, explained, open, findings, tests) {
  if (!findings.length && !tests.length) return null;
  const body = h('div', null);
  const details = /** @type {HTMLDetailsElement} */ (h('details', { class: 'group', open, 'data-group': title },
    h('summary', { 'data-row': '' }, h('h2', null, h('span', { class: `tone-${kind}`, 'aria-hidden': 'true' }, `${mark} `), title, ' ',
      h('span', { class: `badge ${kind}` }, String(findings.length + tests.length)))),
    body));
  const draw = () => {
    if (!details.open || body.firstChild) return;
    fill(body, h('p', { class: 'faint small' }, explained),
      tests.length ? section(plural(tests.length, 'test'), tests) : null,
      findings.length ? section(plural(findings.length, 'finding'), findings) : null);
  };
  details.addEventListener('toggle', draw);
  draw();
  return details;
}

/** @param {string} title @param {(() => HTMLElement)[]} rows */
function section(title, rows) {
  const list = h('ul', { class: 'rows found' });
  const more = h('button', { 'data-more': '', onclick: () => draw() }, '');
  let drawn = 0;
  function draw() {
    list.append(...rows.slice(drawn, drawn + AT_ONCE).map((row) => h('li', null, row())));
    drawn = Math.min(rows.length, drawn + AT_ONCE);
    more.hidden = drawn === rows.length;
    more.textContent = `Show ${Math.min(AT_ONCE, rows.length - drawn)} of ${rows.length - drawn} more`;
  }
  draw();
  return h('div', null, h('h3', null, title), list, more);
}

/** @param {Finding[]} findings @param {string} jobId @returns {(() => HTMLElement)[]} */
function findingRows(findings, jobId) {
  return findings.map((one) => () => h('a', {
    class: 'row', href: link(['job', jobId, 'findings'], { finding: one.fingerprint }),
  },
    h('span', { class: 'mono' }, one.line === null ? one.path : `${one.path}:${one.line}`),
    h('span', { class: 'found-message' }, one.message.slice(0, LONGEST)),
    h('span', { class: 'faint' }, `${one.hook} ${one.code}`)));
}

/** @param {Test[]} tests @param {string} jobId @returns {(() => HTMLElement)[]} */
function testRows(tests, jobId) {
  return tests.map((one) => () => h('a', { class: 'row', href: link(['job', jobId, 'tests'], { test: one.nodeid }) },
    h('span', { class: 'mono' }, one.nodeid),
    h('span', { class: 'found-message' }, one.message.slice(0, LONGEST).split('\n')[0]),
    h('span', { class: `tone-${tone(one.outcome)}` }, `${sign(one.outcome)} ${words(one.outcome)}`)));
}

/** @typedef {{name: string, status: string, duration: number | null, cached: boolean}} Timed */

/** @param {any} before @param {any} now */
function times(before, now) {
  const old = byName(before.hooks);
  const current = byName(now.hooks);
  const names = [...new Set([...current.keys(), ...old.keys()])];
  const longest = Math.max(0, ...[...old.values(), ...current.values()].map(spent));
  const duration = (/** @type {string} */ hook) => Math.max(spent(old.get(hook)), spent(current.get(hook)));
  names.sort((a, b) => duration(b) - duration(a));
  if (!longest) return h('p', { class: 'empty' }, 'No hook took any time in either run.');
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Times, side by side' }, h('table', { class: 'times' },
    h('thead', null, h('tr', null,
      h('th', { scope: 'col' }, 'Hook'), h('th', { scope: 'col', class: 'times-bars' }, h('span', { class: 'only-read' }, 'Before and now')),
      h('th', { scope: 'col', class: 'number' }, h('span', { class: 'swatch before', 'aria-hidden': 'true' }), 'Before'),
      h('th', { scope: 'col', class: 'number' }, h('span', { class: 'swatch now', 'aria-hidden': 'true' }), 'Now'),
      h('th', { scope: 'col', class: 'number' }, 'Change'))),
    h('tbody', null, names.map((hook) => timeRow(hook, old.get(hook), current.get(hook), longest)))));
}

/** @param {string} hook @param {Timed | undefined} before @param {Timed | undefined} now @param {number} longest */
function timeRow(hook, before, now, longest) {
  return h('tr', null,
    h('th', { scope: 'row' }, hook),
    h('td', { class: 'times-bars' },
      bar(spent(before) / longest, 'before'), bar(spent(now) / longest, 'now')),
    h('td', { class: 'number' }, took(before)), h('td', { class: 'number' }, took(now)),
    h('td', { class: 'number' }, change(before, now)));
}

/** @param {Timed[]} hooks @returns {Map<string, Timed>} the last of each name */
function byName(hooks) {
  return new Map(hooks.map((hook) => [hook.name, hook]));
}

/** The statuses of what took time, also when it was stopped. */
const RAN_AT_ALL = ['passed', 'fixed', 'failed', 'timed_out', 'stopped'];

/** Seconds that say something. @param {Timed | undefined} hook */
function spent(hook) {
  return hook && !hook.cached && RAN_AT_ALL.includes(hook.status) ? hook.duration || 0 : 0;
}

/** @param {Timed | undefined} hook */
function took(hook) {
  if (!hook) return h('span', { class: 'faint' }, 'not part of it');
  if (hook.cached) return h('span', { class: 'faint' }, 'cached');
  if (hook.duration === null || !RAN_AT_ALL.includes(hook.status)) return h('span', { class: 'faint' }, words(hook.status));
  return seconds(hook.duration);
}

/** @param {Timed | undefined} before @param {Timed | undefined} now */
function change(before, now) {
  if (!spent(before) || !spent(now)) return '';
  const ratio = spent(now) / spent(before);
  const difference = spent(now) - spent(before);
  if (Math.abs(ratio - 1) < NOTABLE || Math.abs(difference) < 0.05) return h('span', { class: 'faint' }, 'as before');
  return h('span', { class: difference > 0 ? 'tone-warn' : 'tone-good' },
    difference > 0 ? `↗ +${seconds(difference)}` : `↘ −${seconds(-difference)}`);
}
