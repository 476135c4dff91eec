// All jobs, live and past, newest first.

import { get, jobPath, post, Refused } from './api.js';
import { arrange, fill, h, onceAFrame, say, showDialog, statusBadge } from './dom.js';
import { age, moment, plural, projectName, seconds, words } from './format.js';
import { ENDED, followJobs } from './follow-jobs.js';
import { link, refine } from './router.js';
import { tellProblem } from './tell.js';

const STATUSES = ['running', 'queued', 'completed', 'failed', 'interrupted'];
const REFRESH = 1000; // milliseconds between two looks at a job that goes on
const RETRY = 2000; // milliseconds until a server that cannot answer is asked again
const SHOWN = 200; // rows, until more are asked for

/**
 * @param {HTMLElement} main
 * @param {import('./router.js').Place} place
 */
export function open(main, place) {
  /** @type {Map<string, any>} */
  const jobs = new Map();
  /** @type {Map<string, any>} */
  const snapshots = new Map();
  /** Jobs that are soon looked at. @type {Map<string, ReturnType<typeof setTimeout>>} */
  const looking = new Map();
  /** @type {Map<string, {item: HTMLElement, looks: string, age: HTMLElement, took: HTMLElement}>} */
  const rows = new Map();
  let shown = SHOWN;
  const closing = new AbortController();
  const wanted = {
    status: place.query.get('status') || '',
    project: place.query.get('project') || '',
    text: place.query.get('text') || '',
  };

  const problem = h('div', null);
  const list = h('ul', { class: 'rows', 'aria-label': 'Jobs' });
  const count = h('p', { class: 'faint', role: 'status' });
  const more = h('button', { hidden: true, 'data-more': '', onclick: () => { shown = Infinity; draw(); } }, 'Show all');
  const projects = h('select', { name: 'project', 'aria-label': 'Project', onchange: () => choose('project', projects) },
    h('option', { value: '' }, 'All projects'));
  const statuses = h('select', { name: 'status', 'aria-label': 'Status', onchange: () => choose('status', statuses) },
    h('option', { value: '' }, 'Any status'), STATUSES.map((status) => h('option', { value: status }, words(status))));
  const text = h('input', {
    type: 'search', name: 'text', placeholder: 'Job, project, workflow, reason', 'aria-label': 'Find', '.value': wanted.text,
    oninput: () => choose('text', text),
  });
  /** @type {HTMLSelectElement} */ (statuses).value = wanted.status;
  fill(main,
    h('h1', null, 'Jobs'),
    h('div', { class: 'bar', role: 'search' },
      text, projects, statuses,
      h('button', { class: 'spread', onclick: () => startDialog(main, [...knownProjects()]) }, 'Run the checks')),
    problem, count, list, more);

  /** @param {'status' | 'project' | 'text'} what @param {HTMLElement} field */
  function choose(what, field) {
    wanted[what] = /** @type {HTMLInputElement} */ (field).value;
    refine({ [what]: wanted[what] });
    draw();
  }

  function knownProjects() {
    return new Set([...jobs.values()].map((job) => job.project));
  }

  const draw = onceAFrame(() => {
    if (closing.signal.aborted) return;
    const all = [...jobs.values()].sort((a, b) => b.created - a.created);
    const found = all.filter(matches);
    const said = !all.length ? '' : found.length === all.length ? plural(all.length, 'job') : `${found.length} of ${plural(all.length, 'job')}`;
    say(count, said);
    more.hidden = found.length <= shown;
    if (!all.length) {
      if (loaded) fill(list, h('li', null, h('p', { class: 'empty' }, 'No jobs yet. Run ', h('code', null, 'crackerjack'),
        ' in a project, and it appears here while it runs.')));
    } else if (!found.length) {
      fill(list, h('li', null, h('p', { class: 'empty' }, 'No job is like that. Change the filter to see others.')));
    } else {
      arrange(list, found.slice(0, shown).map(rowOf));
    }
    drawProjects();
  });

  function drawProjects() {
    const have = new Set([...projects.querySelectorAll('option')].map((option) => option.value));
    for (const project of [...knownProjects()].sort()) {
      if (!have.has(project)) projects.append(h('option', { value: project, title: project }, projectName(project)));
    }
    /** @type {HTMLSelectElement} */ (projects).value = wanted.project;
  }

  /** @param {any} job */
  function matches(job) {
    const haystack = `${job.job_id} ${job.project} ${job.workflow} ${job.ended?.reason || ''}`.toLowerCase();
    return (!wanted.status || job.status === wanted.status)
      && (!wanted.project || job.project === wanted.project)
      && wanted.text.toLowerCase().split(/\s+/).every((word) => haystack.includes(word));
  }

  /** The row of a job: the same element as long as there is such a job. @param {any} job */
  function rowOf(job) {
    const live = job.ended ? undefined : snapshots.get(job.job_id);
    const looks = JSON.stringify([job.status, job.ended, live?.message, live?.overall_progress]);
    let row = rows.get(job.job_id);
    if (!row) {
      row = { item: h('li', null), looks: '', age: h('span', { class: 'number faint', title: moment(job.created) }), took: h('span', { class: 'number' }) };
      rows.set(job.job_id, row);
      row.item.append(h('a', { class: 'row job-row', href: link(['job', job.job_id]) }));
    }
    if (row.looks !== looks) {
      row.looks = looks;
      fill(/** @type {HTMLElement} */ (row.item.firstElementChild),
        h('span', null, statusBadge(job.status)),
        h('span', { title: job.project }, h('b', null, projectName(job.project)), h('span', { class: 'faint' }, ` ${job.workflow}`)),
        h('span', { class: 'faint' }, result(job, live),
          live ? h('progress', { max: 100, value: live.overall_progress, 'aria-label': 'Progress' }) : null),
        row.took, row.age);
    }
    say(row.took, seconds(job.ended ? job.ended.duration : Date.now() / 1000 - job.created));
    say(row.age, age(job.created));
    return row.item;
  }

  /** @param {any} snapshot */
  function takeSnapshot(snapshot) {
    const job = jobs.get(snapshot.data.job_id);
    snapshots.set(snapshot.data.job_id, snapshot.data);
    if (job && !job.ended) job.status = snapshot.data.status;
    if (snapshot.data.ended && !job?.ended) load();
    draw();
  }

  /** Look at a job that goes on, not too often. @param {string} jobId */
  function lookSoon(jobId) {
    if (looking.has(jobId)) return;
    looking.set(jobId, setTimeout(() => {
      looking.delete(jobId);
      get(jobPath(jobId), closing.signal).then(takeSnapshot, () => {});
    }, REFRESH));
  }

  let loaded = false;
  let loading = false;
  let again = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let retrying;
  /** Ask for all jobs; who asks meanwhile is answered by one more look. */
  async function load() {
    if (loading) {
      again = true;
      return;
    }
    loading = true;
    clearTimeout(retrying);
    try {
      const answer = await get('/jobs?limit=1000', closing.signal);
      const gone = new Set(jobs.keys());
      for (const job of answer.jobs) {
        jobs.set(job.job_id, job);
        gone.delete(job.job_id);
        if (!job.ended) lookSoon(job.job_id);
      }
      for (const jobId of gone) forget(jobId);
      loaded = true;
      fill(problem);
      draw();
    } catch (error) {
      if (!closing.signal.aborted) {
        tellProblem(problem, error);
        if (error instanceof Refused && error.mayPass) retrying = setTimeout(load, RETRY);
      }
    }
    loading = false;
    if (again && !closing.signal.aborted) {
      again = false;
      load();
    }
  }

  /** @param {string} jobId */
  function forget(jobId) {
    jobs.delete(jobId);
    snapshots.delete(jobId);
    rows.delete(jobId);
  }

  /** @param {any[]} events */
  function take(events) {
    let isNew = false;
    for (const event of events) {
      const job = jobs.get(event.job_id);
      if (!job) isNew = true;
      else if (ENDED.includes(event.event_type)) {
        job.ended = event.data;
        job.status = event.event_type.slice('workflow_'.length);
        snapshots.delete(event.job_id);
        draw();
      } else lookSoon(event.job_id);
    }
    if (isNew) load();
  }

  const stop = followJobs(load, take, problem);
  const ticking = setInterval(draw, 1000);

  return {
    close() {
      closing.abort();
      clearInterval(ticking);
      clearTimeout(retrying);
      for (const timer of looking.values()) clearTimeout(timer);
      stop();
    },
  };
}

/** @param {any} job @param {any} live */
function result(job, live) {
  if (!job.ended) return live ? live.message : words(job.status);
  if (job.status === 'completed') return job.ended.fixed ? `passed, fixed ${plural(job.ended.fixed, 'file')}` : 'passed';
  const found = [];
  if (job.ended.findings) found.push(plural(job.ended.findings, 'finding'));
  if (job.ended.tests_failed) found.push(plural(job.ended.tests_failed, 'failing test'));
  const [, broken] = job.ended.reason.split('; ');
  return found.length ? [found.join(', '), broken].filter(Boolean).join('; ') : words(job.ended.reason || job.status);
}

/**
 * Ask what to run, and where.
 * @param {HTMLElement} main
 * @param {string[]} known projects
 */
function startDialog(main, known) {
  const project = h('input', { name: 'project', required: true, list: 'projects', '.value': known[0] || '', size: 40 });
  const workflow = h('select', { name: 'workflow' }, h('option', { value: '' }, "the project's own"),
    ['standard', 'fast', 'test', 'comprehensive'].map((one) => h('option', null, one)));
  const tests = h('input', { type: 'checkbox', name: 'tests' });
  const check = h('input', { type: 'checkbox', name: 'check' });
  const told = h('div', null);
  const dialog = /** @type {HTMLDialogElement} */ (h('dialog', { 'aria-labelledby': 'start-title' },
    h('form', {
      method: 'dialog',
      onsubmit: async (/** @type {Event} */ event) => {
        event.preventDefault();
        try {
          const job = await post('/jobs', {
            project: /** @type {HTMLInputElement} */ (project).value,
            workflow: /** @type {HTMLSelectElement} */ (workflow).value || undefined,
            options: {
              check: /** @type {HTMLInputElement} */ (check).checked,
              run_tests: /** @type {HTMLInputElement} */ (tests).checked,
            },
          });
          dialog.close();
          location.hash = link(['job', job.job_id]);
        } catch (error) {
          tellProblem(told, error);
        }
      },
    },
      h('h2', { id: 'start-title' }, 'Run the checks'),
      told,
      h('p', null, h('label', null, 'Project directory ', project)),
      h('datalist', { id: 'projects' }, known.map((one) => h('option', { value: one }))),
      h('p', null, h('label', null, 'Workflow ', workflow)),
      h('p', null, h('label', null, tests, ' Run the tests too')),
      h('p', null, h('label', null, check, ' Only look, write nothing')),
      h('p', { class: 'bar' }, h('button', { class: 'primary' }, 'Run'),
        h('button', { type: 'button', onclick: () => dialog.close() }, 'Not now')))));
  showDialog(main, dialog);
}
