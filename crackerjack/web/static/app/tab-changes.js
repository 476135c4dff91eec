// What cleaning and fixing changed, as diffs; and taking it back.

import { get, jobPath, post } from './api.js';
import { fill, h, showDialog } from './dom.js';
import { entry, plural } from './format.js';
import { tellProblem } from './tell.js';

const AT_ONCE = 500; // files that are drawn before anybody asks for more
const OPEN_AT_FIRST = 400; // lines of diffs that are drawn before anybody asks

/** @type {Record<string, {text: string, tone: string}>} */
const STATES = {
  as_left: { text: 'as the job left it', tone: 'good' },
  as_before: { text: 'as before the job', tone: 'quiet' },
  changed_since: { text: 'changed since', tone: 'warn' },
  gone: { text: 'gone', tone: 'warn' },
  unreadable: { text: 'cannot be read', tone: 'bad' },
};
/** @type {Record<string, {text: string, tone: string}>} */
const OUTCOMES = {
  restored: { text: '✓ put back', tone: 'good' },
  already: { text: '– was as before already', tone: 'quiet' },
  changed_since: { text: '! left alone: changed since', tone: 'warn' },
  missing: { text: '! left alone: the file is gone', tone: 'warn' },
  refused: { text: '✗ could not be written', tone: 'bad' },
};

/**
 * @typedef {{path: string, state: string, removed: boolean, added_lines: number, removed_lines: number,
 *   diff: string | null, why: string}} ChangedFile
 */

/**
 * @param {HTMLElement} box
 * @param {import('./job-view.js').Context} context
 * @returns {import('./main.js').View}
 */
export function open(box, { job, signal }) {
  const problem = h('div', null);
  const outcome = h('div', { role: 'status' });
  const list = h('div', null, h('p', { class: 'faint' }, 'Reading what changed ...'));
  fill(box, problem, outcome, list);
  let closed = false;
  let wasFinished = job.finished;

  async function load() {
    try {
      const answer = await get(jobPath(job.id, 'changes'), signal);
      if (closed) return;
      fill(problem);
      draw(answer.files);
    } catch (error) {
      if (closed || signal.aborted) return;
      fill(list);
      tellProblem(problem, error);
    }
  }

  /** @param {ChangedFile[]} files */
  function draw(files) {
    if (!files.length) {
      fill(list, h('p', { class: 'empty' }, job.finished
        ? 'This job changed no file: there was nothing to clean or to fix, or it only looked.'
        : 'This job has changed no file yet. What it changes appears here when it has ended.'));
      return;
    }
    const undoable = files.filter((file) => file.state === 'as_left').length;
    const added = files.reduce((sum, file) => sum + file.added_lines, 0);
    const removed = files.reduce((sum, file) => sum + file.removed_lines, 0);
    let drawn = 0;
    const rows = h('div', null);
    const more = h('button', { onclick: () => show() });
    fill(list,
      h('div', { class: 'bar' },
        h('span', null, h('b', { 'data-count': 'changes' }, plural(files.length, 'file')), ' changed ', added + removed ? counts(added, removed) : null),
        job.finished && undoable
          ? h('button', { class: 'spread', onclick: () => askToUndo(undoable, files.length, undo) }, 'Undo these changes')
          : null),
      rows, more);
    show();

    function show() {
      for (const file of files.slice(rows.childElementCount, rows.childElementCount + AT_ONCE)) {
        const lines = file.diff === null ? 0 : file.diff.split('\n').length;
        drawn += lines;
        rows.append(changedFile(file, lines > 0 && drawn <= OPEN_AT_FIRST));
      }
      const left = files.length - rows.childElementCount;
      more.hidden = !left;
      more.textContent = `Show ${Math.min(AT_ONCE, left)} of ${left.toLocaleString('en')} more`;
    }
  }

  async function undo() {
    try {
      const answer = await post(jobPath(job.id, 'undo'));
      fill(problem);
      fill(outcome, outcomeOf(answer.files));
      await load();
    } catch (error) {
      tellProblem(problem, error);
    }
  }

  function changed() {
    if (job.finished && !wasFinished) load();
    wasFinished = job.finished;
  }

  job.addEventListener('change', changed);
  load();
  return {
    close() {
      closed = true;
      job.removeEventListener('change', changed);
    },
  };
}

/** @param {number} added @param {number} removed */
function counts(added, removed) {
  return h('span', { class: 'mono' }, h('span', { class: 'tone-good' }, `+${added}`), ' ', h('span', { class: 'tone-bad' }, `−${removed}`));
}

/** @param {ChangedFile} file @param {boolean} open */
function changedFile(file, open) {
  const state = entry(STATES, file.state) || { text: file.state, tone: 'quiet' };
  const said = file.removed && file.state === 'as_left' ? 'removed by the job' : state.text;
  const summary = h('summary', null,
    h('span', { class: 'mono change-path' }, file.path), ' ',
    file.diff === null ? null : counts(file.added_lines, file.removed_lines), ' ',
    h('span', { class: `badge ${state.tone}` }, said));
  const body = h('div', null);
  const details = /** @type {HTMLDetailsElement} */ (h('details', { class: 'change', open }, summary, body));
  const show = () => {
    if (details.open && !body.firstChild) fill(body, diffOf(file));
  };
  details.addEventListener('toggle', show);
  show();
  return details;
}

/** @param {ChangedFile} file */
function diffOf(file) {
  if (file.diff === null) return h('p', { class: 'faint change-why' }, `No diff: ${file.why || 'nothing that shows'}.`);
  const rows = diffLines(file.diff);
  const notes = [
    file.why ? `${file.why}, and not all of it is shown.` : '',
    file.diff.includes('␃') ? '␃ marks the end of a file without a last newline.' : '',
    file.diff.includes('␍') ? '␍ marks a carriage return.' : '',
  ].filter(Boolean);
  return h('div', null,
    h('div', { class: 'diff', role: 'region', tabindex: 0, 'aria-label': `What changed in ${file.path}` },
      h('table', null, h('tbody', null, rows))),
    notes.length ? h('p', { class: 'faint change-why' }, notes.join(' ')) : null);
}

/** @param {string} diff @returns {HTMLElement[]} */
function diffLines(diff) {
  let before = 0;
  let after = 0;
  const rows = [];
  for (const text of diff.replace(/\n$/, '').split('\n').slice(2)) {
    const place = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(text);
    if (place) {
      before = Number(place[1]);
      after = Number(place[2]);
      rows.push(h('tr', { class: 'diff-place' }, h('td', { colspan: 4 }, text)));
      continue;
    }
    const sign = text[0];
    const kind = sign === '+' ? 'added' : sign === '-' ? 'removed' : 'kept';
    rows.push(h('tr', { class: `diff-${kind}` },
      h('td', { class: 'diff-number' }, sign === '+' ? '' : String(before)),
      h('td', { class: 'diff-number' }, sign === '-' ? '' : String(after)),
      h('td', { class: 'diff-sign' }, sign === '-' ? '−' : sign === '+' ? '+' : ' '),
      h('td', { class: 'diff-text' }, showingBlanks(text.slice(1), kind))));
    if (sign !== '+') before += 1;
    if (sign !== '-') after += 1;
  }
  return rows;
}

/** A line; blanks at its end, which cleaning takes away, are made visible. @param {string} text @param {string} kind */
function showingBlanks(text, kind) {
  const blanks = /[ \t]+$/.exec(text);
  if (kind === 'kept' || !blanks) return text;
  return h('span', null, text.slice(0, blanks.index),
    h('span', { class: 'diff-blanks' }, blanks[0].replace(/ /g, '·').replace(/\t/g, '→')));
}

/** @param {{path: string, outcome: string, reason: string}[]} files */
function outcomeOf(files) {
  const back = files.filter((file) => file.outcome === 'restored').length;
  return h('section', { class: 'undone', 'aria-label': 'What undoing did' },
    h('p', null, h('b', null, back ? `Put back ${plural(back, 'file')}.` : 'No file was put back.')),
    h('ul', null, files.map((file) => {
      const what = entry(OUTCOMES, file.outcome) || { text: file.outcome, tone: 'quiet' };
      return h('li', null, h('span', { class: 'mono' }, file.path), ' ',
        h('span', { class: `tone-${what.tone}` }, what.text), file.reason ? h('span', { class: 'faint' }, ` (${file.reason})`) : null);
    })));
}

/**
 * @param {number} undoable
 * @param {number} all
 * @param {() => Promise<void>} undo
 */
function askToUndo(undoable, all, undo) {
  const rest = all - undoable;
  const close = () => dialog.close();
  const go = h('button', { class: 'primary', onclick: () => { close(); undo(); } }, `Put back ${plural(undoable, 'file')}`);
  const dialog = /** @type {HTMLDialogElement} */ (h('dialog', { 'aria-labelledby': 'undo-title' },
    h('h2', { id: 'undo-title' }, 'Undo what this job changed?'),
    h('p', null, `${plural(undoable, 'file')} will hold again what ${undoable === 1 ? 'it' : 'they'} held before the job.`,
      rest ? ` ${plural(rest, 'other file')} changed since then, or ${rest === 1 ? 'is' : 'are'} gone, and ${rest === 1 ? 'is' : 'are'} left alone.` : ''),
    h('p', { class: 'bar' }, go, h('button', { onclick: close, autofocus: true }, 'Leave them'))));
  showDialog(document.body, dialog);
}
