// How the runs of a project went over time: pass rates, durations, tests, coverage.

import { get } from './api.js';
import { bar, line, strip } from './chart.js';
import { fill, h, refill, setOptions } from './dom.js';
import { followProject } from './follow-jobs.js';
import { moment, plural, projectName, seconds, sign, tone, words } from './format.js';
import { link, refine } from './router.js';
import { tellProblem } from './tell.js';

const SLOWER = 1.25; // of the trend: less is noise
const FEW = 5; // slow tests that are always shown; others only if they are slow
/** The statuses of what ran to its end: what the times of the others would say is nothing. */
const RAN_TO_END = ['passed', 'fixed', 'failed', 'completed'];
const LOOK_BACKS = ['20', '100', '500'];

/**
 * @typedef {{job_id: string, ended: number, status: string, success: boolean, duration: number, cached: boolean}} Sample
 * @typedef {{name: string, runs: number, passed: number, pass_rate: number | null, cached: number,
 *   statuses: Record<string, number>, p50: number | null, p95: number | null, trend: number | null,
 *   recent: Sample[]}} Figures
 */

/**
 * @param {HTMLElement} main
 * @param {import('./router.js').Place} place
 * @returns {import('./main.js').View}
 */
export function open(main, place) {
  const closing = new AbortController();
  let project = place.query.get('project') || '';
  let back = LOOK_BACKS.includes(place.query.get('jobs') || '') ? /** @type {string} */ (place.query.get('jobs')) : '100';
  let asked = 0;

  const problem = h('div', null);
  const box = h('div', null);
  const projects = /** @type {HTMLSelectElement} */ (h('select', { name: 'project', onchange: () => choose() }));
  const jobs = /** @type {HTMLSelectElement} */ (h('select', { name: 'jobs', onchange: () => choose() },
    LOOK_BACKS.map((one) => h('option', { value: one }, `the last ${one}`))));
  jobs.value = back;
  const bars = h('div', { class: 'bar' }, h('label', null, 'Project', projects), h('label', null, 'Runs', jobs));
  fill(main, h('h1', null, 'History'), bars, problem, box);

  function choose() {
    project = projects.value;
    back = jobs.value;
    refine({ project, jobs: back === '100' ? null : back });
    show();
  }

  async function show() {
    const mine = asked += 1;
    box.setAttribute('aria-busy', 'true');
    try {
      const query = new URLSearchParams({ project, jobs: back });
      const answer = await get(`/stats?${query}`, closing.signal);
      if (mine !== asked) return;
      fill(problem);
      const found = answer.projects[0];
      document.title = `${projectName(project)} over time - crackerjack`;
      if (!found || !found.jobs) fill(box, nothing('No run of this project has ended yet'));
      else refill(box, ...historyOf(found));
    } catch (error) {
      if (!closing.signal.aborted && mine === asked) tellProblem(problem, error);
    } finally {
      if (mine === asked) box.removeAttribute('aria-busy');
    }
  }

  async function load() {
    try {
      const answer = await get('/jobs?limit=1000', closing.signal);
      const known = [...new Set(/** @type {string[]} */ (answer.jobs.map((/** @type {any} */ job) => job.project)))];
      bars.hidden = !known.length;
      if (!known.length) {
        fill(box, nothing('No run has ended yet'));
        return;
      }
      if (!project) project = known[0]; // that of the newest job
      if (!known.includes(project)) known.push(project);
      setOptions(projects, known.sort().map((one) => [one, shortest(one, known)]), project);
      await show();
    } catch (error) {
      if (!closing.signal.aborted) tellProblem(problem, error);
    }
  }

  const stop = followProject(load, () => project, problem, closing.signal);
  return {
    update(next) {
      const asksFor = next.query.get('project') || '';
      if (asksFor && asksFor !== project) {
        project = projects.value = asksFor;
        show();
      }
      return true;
    },
    close() {
      closing.abort();
      stop();
      document.title = 'crackerjack';
    },
  };
}

/** A project's name, with as much of its path as tells it from the others. @param {string} project @param {string[]} known */
function shortest(project, known) {
  const alike = known.filter((other) => projectName(other) === projectName(project));
  return alike.length === 1 ? projectName(project) : project;
}

/** @param {string} why */
function nothing(why) {
  return h('p', { class: 'empty' }, `${why}. Run `, h('code', null, 'crackerjack'), ' in a project: it appears here, and two runs make a history.');
}

/** @param {any} found the project's statistics */
function historyOf(found) {
  const whole = /** @type {Figures[]} */ (found.workflows);
  return [
    h('p', { class: 'facts' }, h('span', null, h('code', null, found.project)),
      h('span', null, h('b', null, String(found.jobs)), ` ended ${found.jobs === 1 ? 'run' : 'runs'}`)),
    h('section', { 'aria-labelledby': 'runs-title' }, h('h2', { id: 'runs-title' }, 'Whole runs'),
      h('div', { class: 'trend-cards' }, whole.map(card))),
    timeSection(found),
    h('section', { 'aria-labelledby': 'hooks-title' }, h('h2', { id: 'hooks-title' }, 'Hooks'),
      h('div', { class: 'trend-cards' }, [...found.hooks, ...found.steps.filter(isPhase)].map(card))),
    testSection(found.tests),
    coverageSection(found.coverage),
  ];
}

/** The cleaning and the tests are steps that run no hooks. @param {Figures} step */
function isPhase(step) {
  return ['run_code_cleaning', 'run_test_workflow'].includes(step.name);
}

/** @param {string} action */
function called(action) {
  return action === 'run_code_cleaning' ? 'cleaning' : action === 'run_test_workflow' ? 'testing' : action;
}

/** @param {Figures} figures */
function card(figures) {
  const oldest = [...figures.recent].reverse();
  const title = called(figures.name);
  const timed = oldest.filter((one) => !one.cached && RAN_TO_END.includes(one.status));
  const points = timed.map((one) => ({ value: one.duration, label: labelOf(one), kind: kindOf(one) }));
  const rate = figures.pass_rate === null ? null : Math.round(100 * figures.pass_rate);
  const p50 = figures.p50 === null ? [] : [{ value: figures.p50, name: 'p50' }];
  const p95 = figures.p95 === null ? [] : [{ value: figures.p95, name: 'p95' }];
  return h('article', { class: 'trend-card' },
    h('h3', null, title, ' ', trend(figures.trend)),
    h('p', { class: 'facts' },
      h('span', { class: rate === null ? '' : rate === 100 ? 'tone-good' : rate < 50 ? 'tone-bad' : 'tone-warn' },
        h('b', null, rate === null ? '–' : `${rate} %`), ' passed'),
      h('span', null, plural(figures.runs, 'run')),
      figures.p50 === null ? null : h('span', null, 'p50 ', h('b', null, seconds(figures.p50))),
      figures.p95 === null ? null : h('span', null, 'p95 ', h('b', null, seconds(figures.p95)))),
    points.length > 1
      ? line(points, {
        title: `Duration of ${title} in its last ${points.length} timed runs, from ${seconds(points[0].value)} to `
          + `${seconds(points[points.length - 1].value)}`,
        least: 0, marks: [...p95, ...p50],
      })
      : h('p', { class: 'faint small' }, points.length ? 'One timed run: a second makes a line.' : figures.runs ? 'Never timed: it did not run to its end, or its results were known.' : 'It was skipped each time.'),
    strip(oldest.map((one) => ({ value: 0, label: labelOf(one), kind: kindOf(one), href: link(['job', one.job_id]) })),
      `The last ${oldest.length} runs of ${title}, the newest last`));
}

/** @param {Sample} one */
function kindOf(one) {
  const found = tone(one.status);
  return found === 'live' ? 'quiet' : found;
}

/** @param {Sample} one */
function labelOf(one) {
  return `${sign(one.status)} ${words(one.status)}${one.cached ? ', known' : `, ${seconds(one.duration)}`}, ${moment(one.ended)}`;
}

/** @param {number | null} ratio */
function trend(ratio) {
  if (ratio === null) return null;
  if (ratio >= SLOWER) return h('span', { class: 'badge warn' }, `↗ ${ratio.toFixed(1)} × slower`);
  if (ratio > 0 && ratio <= 1 / SLOWER) return h('span', { class: 'badge good' }, `↘ ${(1 / ratio).toFixed(1)} × faster`);
  return null;
}

/** @param {any} found */
function timeSection(found) {
  const all = /** @type {Figures[]} */ ([...found.hooks, ...found.steps.filter(isPhase)])
    .filter((one) => one.p50 !== null)
    .sort((a, b) => Number(b.p50) - Number(a.p50));
  const most = all.length ? Number(all[0].p50) : 0;
  if (!most) return null;
  const sum = all.reduce((total, one) => total + Number(one.p50), 0);
  return h('section', { 'aria-labelledby': 'time-title' },
    h('h2', { id: 'time-title' }, 'Where the time goes'),
    h('p', { class: 'faint small' }, 'Median of each, when it was not known from an earlier run. Some run side by side, so that the whole is less than their sum, of which the shares are.'),
    h('ul', { class: 'bars' }, all.map((one) => h('li', null,
      h('span', { class: 'bars-name' }, called(one.name)), bar(Number(one.p50) / most),
      h('span', { class: 'number' }, seconds(one.p50)),
      h('span', { class: 'number faint' }, percent(Number(one.p50) / sum))))));
}

/** @param {number} share */
function percent(share) {
  return share < 0.005 ? '< 1 %' : `${Math.round(100 * share)} %`;
}

/** @param {any} tests */
function testSection(tests) {
  const head = h('h2', { id: 'tests-title' }, 'Tests');
  if (!tests || !tests.runs) {
    return h('section', { 'aria-labelledby': 'tests-title' }, head, h('p', { class: 'empty' },
      'No run had tests. ', h('code', null, 'crackerjack run -t'), ' runs them too.'));
  }
  const most = tests.slowest.length ? tests.slowest[0].median : 0;
  const slow = tests.slowest.filter((/** @type {any} */ one, /** @type {number} */ index) => index < FEW || one.median > most / 50);
  return h('section', { 'aria-labelledby': 'tests-title' }, head,
    tests.complete ? null : h('p', { class: 'faint' }, 'Some runs have more tests than are looked at here.'),
    h('h3', null, 'Flaky'),
    h('p', { class: 'faint small' }, `Passed and failed although nothing had changed: neither a file of the project nor a package, in the last ${plural(tests.runs, 'run')} with tests.`),
    tests.flaky.length
      ? table(['Test', 'Passed', 'Failed', 'Runs, the newest last'], tests.flaky.map((/** @type {any} */ one) => [
        h('code', null, one.nodeid), String(one.passed), String(one.failed), lastRuns(one)]))
      : h('p', { class: 'tone-good' }, '✓ None: no test did both at the same content.'),
    h('h3', null, 'Slowest'),
    most ? h('ul', { class: 'bars' }, slow.map((/** @type {any} */ one) => h('li', null,
      h('code', { class: 'bars-name' }, one.nodeid), bar(one.median / most), h('span', { class: 'number' }, brief(one.median)),
      h('span', { class: 'number faint' }, plural(one.runs, 'run'))))) : h('p', { class: 'faint' }, 'No test took any time.'));
}

/** How a flaky test ended, run by run. @param {any} test */
function lastRuns(test) {
  return strip([...test.recent].reverse().map((/** @type {any} */ one) => ({
    value: 0, kind: one.reruns && one.outcome === 'passed' ? 'warn' : tone(one.outcome),
    label: `${sign(one.outcome)} ${words(one.outcome)}${one.reruns ? `, after it had failed ${one.reruns} ×` : ''}, ${moment(one.timestamp)}`,
    href: link(['job', one.job_id, 'tests'], { test: test.nodeid }),
  })), `The last ${test.recent.length} runs of ${test.nodeid}, the newest last`);
}

/** A short time. @param {number} value seconds */
function brief(value) {
  return value < 0.095 ? `${Math.max(1, Math.round(1000 * value))} ms` : seconds(value);
}

/** @param {any[]} samples newest first */
function coverageSection(samples) {
  const head = h('h2', { id: 'coverage-title' }, 'Coverage');
  if (!samples.length) {
    return h('section', { 'aria-labelledby': 'coverage-title' }, head, h('p', { class: 'empty' },
      'Never measured. With pytest-cov and ', h('code', null, 'addopts = "--cov=PACKAGE"'),
      ' in the pytest configuration, every run with tests measures it.'));
  }
  const oldest = [...samples].reverse();
  const now = samples[0];
  const points = oldest.map((one) => ({
    value: one.percent, kind: one.whole ? 'good' : 'warn',
    label: `${one.percent.toFixed(1)} %${one.whole ? '' : ', not of a whole run'}, ${moment(one.timestamp)}`,
  }));
  const change = now.percent - oldest[0].percent;
  return h('section', { 'aria-labelledby': 'coverage-title' }, head,
    h('div', { class: 'trend-card coverage' },
      h('p', { class: 'facts' }, h('span', null, h('b', null, `${now.percent.toFixed(1)} %`), ' now'),
        samples.length > 1 ? h('span', { class: change < -0.05 ? 'tone-bad' : change > 0.05 ? 'tone-good' : '' },
          `${change > 0 ? '+' : ''}${change.toFixed(1)} points in ${plural(samples.length, 'run')}`) : null,
        h('a', { href: link(['job', now.job_id]) }, 'the newest')),
      samples.length > 1 ? line(points, {
        title: `Coverage from ${oldest[0].percent.toFixed(1)} to ${now.percent.toFixed(1)} percent`,
        width: 480, marks: ends(samples.map((one) => one.percent)),
      }) : null,
      points.some((one) => one.kind === 'warn') ? h('p', { class: 'faint small' }, 'Hollow points: tests failed or did not run, so that it says less.') : null));
}

/** The best and the worst, as lines. @param {number[]} values */
function ends(values) {
  return [Math.max(...values), Math.min(...values)].map((value) => ({ value, name: `${value.toFixed(1)} %` }));
}

/** @param {string[]} titles @param {(Node | string)[][]} rows */
function table(titles, rows) {
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Flaky tests' }, h('table', null,
    h('thead', null, h('tr', null, titles.map((title) => h('th', { scope: 'col' }, title)))),
    h('tbody', null, rows.map((cells) => h('tr', null, cells.map((cell) => h('td', null, cell)))))));
}
