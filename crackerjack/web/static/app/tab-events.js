// Every event of a job, as it is in the log: read page by page, where one looks.

import { BEHIND, get, isPatient, jobPath } from './api.js';
import { fill, h, onceAFrame, say } from './dom.js';
import { EventPages } from './event-pages.js';
import { plural, visible } from './format.js';
import { refine } from './router.js';
import { tellProblem } from './tell.js';
import { VirtualList } from './virtual-list.js';

const SCANNED = 1000; // events that are asked for at once when all are looked through
const ROW_HEIGHT = 26; // CSS pixels
const SUMMARY = 300; // characters
const DETAIL = 100_000; // characters of one event that are shown
const FAMILIES = ['workflow_*', 'config_*', 'quality_phase_*', 'hook_strategy_*', 'hook_execution_*', 'hook_output',
  'diagnostic_found', 'file_fixed', 'tests_collected', 'test_completed', 'coverage_measured', 'job_*'];

/**
 * @param {HTMLElement} box
 * @param {import('./job-view.js').Context} context
 * @returns {import('./main.js').View}
 */
export function open(box, { job, place, signal }) {
  const types = /** @type {HTMLSelectElement} */ (h('select', { name: 'types', 'aria-label': 'Type' }, h('option', { value: '' }, 'All types'),
    FAMILIES.map((family) => h('option', { value: family }, family.replace(/_?\*$/, '').replace(/_/g, ' ')))));
  const text = /** @type {HTMLInputElement} */ (h('input', { type: 'search', name: 'text', placeholder: 'Text in the event', 'aria-label': 'Find' }));
  const following = /** @type {HTMLInputElement} */ (h('input', { type: 'checkbox', name: 'follow' }));
  const count = h('span', { class: 'faint spread', role: 'status' });
  const problem = h('div', null);
  const nothing = h('p', { class: 'empty', hidden: true }, 'No event is like that.');
  const list = /** @type {VirtualList} */ (h('virtual-list', { class: 'events', 'aria-label': 'Events', role: 'region' }));
  const detail = h('div', { class: 'event-detail', hidden: true });
  list.rowHeight = ROW_HEIGHT;
  list.walks = true;
  list.prints = false; // they would have to be asked for first
  list.draw = drawRow;
  types.value = place.query.get('types') || '';
  text.value = place.query.get('text') || '';
  following.checked = !job.finished && !wantedSeq(place, job.seq);
  fill(box,
    h('div', { class: 'bar', role: 'search' }, text, types,
      job.finished ? null : h('label', null, following, 'Follow'), count),
    problem, nothing, list, detail);

  const pages = new EventPages(job.id, signal, () => draw());
  /** The `seq` of each row. @type {number[]} */
  let rows = [];
  let selected = wantedSeq(place, job.seq);
  let scan = new AbortController();
  let scanned = 0;

  /** @param {number} seq */
  function drawRow(seq) {
    const event = pages.hereOrAsked(seq, (error) => tellProblem(problem, error));
    const row = h('div', {
      class: `event-row${seq === selected ? ' hit' : ''}`, onclick: () => select(seq === selected ? 0 : seq),
    }, h('span', { class: 'number faint' }, String(seq)));
    if (event) {
      row.append(h('span', { class: 'faint' }, new Date(event.timestamp * 1000).toISOString().slice(11, 23)),
        h('span', null, event.event_type), h('span', { class: 'faint event-summary' }, summary(event)));
    } else row.append(h('span', { class: 'faint' }, '…'));
    return row;
  }

  const draw = onceAFrame(() => {
    if (signal.aborted) return;
    list.items = rows;
    list.hidden = rows.length === 0;
    nothing.hidden = rows.length > 0 || scanned < job.seq;
    const said = rows.length === job.seq ? plural(rows.length, 'event') : `${rows.length.toLocaleString('en')} of ${plural(job.seq, 'event')}`;
    say(count, said);
    if (following.checked) requestAnimationFrame(toEnd);
  });

  let top = 0;
  function toEnd() {
    list.scrollTop = list.scrollHeight;
    top = list.scrollTop;
  }
  list.addEventListener('scroll', () => { // who scrolls up wants to read; who is at the end again, to follow
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - ROW_HEIGHT;
    if (list.scrollTop < top - 2) following.checked = false;
    else if (atEnd && !job.finished) following.checked = true;
    top = list.scrollTop;
  }, { passive: true });
  following.addEventListener('change', draw);

  /** @param {number} seq 0 for none */
  async function select(seq) {
    selected = seq;
    refine({ seq: seq ? String(seq) : null });
    detail.hidden = !seq;
    if (seq) following.checked = false;
    draw();
    if (!seq) return;
    let event;
    try {
      event = await pages.read(seq);
    } catch (error) {
      if (!signal.aborted) tellProblem(problem, error);
    }
    if (!event || selected !== seq) return;
    const json = visible(JSON.stringify(event, null, 2));
    const cut = json.length > DETAIL;
    fill(detail,
      h('div', { class: 'bar' }, h('b', null, `Event ${seq}`),
        h('button', { class: 'spread', onclick: () => navigator.clipboard?.writeText(JSON.stringify(event, null, 2)) }, 'Copy'),
        h('button', { onclick: () => select(0) }, 'Close')),
      h('pre', { tabindex: '0', dir: 'ltr' }, cut ? `${json.slice(0, DETAIL)}\n… and ${(json.length - DETAIL).toLocaleString('en')} characters more: Copy takes all` : json));
  }

  list.addEventListener('walk', () => select(rows[list.at]));
  list.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !selected) return;
    select(0);
    event.preventDefault();
    event.stopPropagation();
  });

  /** Find the events that are wanted: all are, or all have to be looked through. */
  async function begin() {
    scan.abort();
    scan = new AbortController();
    const mine = scan.signal;
    scanned = 0;
    rows = [];
    list.at = -1;
    if (!types.value && !text.value) {
      scanned = job.seq;
      rows = Array.from({ length: job.seq }, (_, index) => index + 1);
      draw();
      return;
    }
    let stalls = 0;
    try {
      while (scanned < job.seq && !mine.aborted && !signal.aborted) {
        const query = new URLSearchParams({ since: String(scanned), limit: String(SCANNED), types: types.value });
        const page = await get(`${jobPath(job.id, 'events')}?${query}`, mine);
        if (mine.aborted) return;
        for (const event of page.events) if (event.seq > scanned && matches(event)) rows.push(event.seq);
        if (page.next <= scanned && !await isPatient(stalls += 1)) throw new Error(BEHIND);
        scanned = Math.max(scanned, page.next);
        draw();
      }
    } catch (error) {
      if (!mine.aborted && !signal.aborted) tellProblem(problem, error);
    }
    draw();
  }

  /** @param {any} event */
  function matches(event) {
    const family = types.value;
    const typed = !family || (family.endsWith('*') ? event.event_type.startsWith(family.slice(0, -1)) : event.event_type === family);
    return typed && (!text.value || JSON.stringify(event).toLowerCase().includes(text.value.toLowerCase()));
  }

  const takeEvent = (/** @type {Event} */ told) => {
    const event = /** @type {CustomEvent} */ (told).detail;
    pages.take(event);
    if (event.seq !== scanned + 1) return; // the look through all events has it yet to come
    scanned = event.seq;
    if (matches(event)) rows.push(event.seq);
    draw();
  };

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing;
  const filter = () => {
    refine({ types: types.value, text: text.value });
    clearTimeout(typing);
    typing = setTimeout(begin, 100);
  };
  types.addEventListener('change', filter);
  text.addEventListener('input', filter);
  job.addEventListener('event', takeEvent);
  begin();
  if (selected) {
    select(selected);
    requestAnimationFrame(() => requestAnimationFrame(() => {
      list.at = rows.indexOf(selected); // the keys go on from there
      list.reveal(list.at);
    }));
  }

  return {
    update: () => true,
    close() {
      scan.abort();
      clearTimeout(typing);
      job.removeEventListener('event', takeEvent);
    },
  };
}

/** The event of the address, if there is one. @param {import('./router.js').Place} place @param {number} last */
function wantedSeq(place, last) {
  const seq = Number(place.query.get('seq'));
  return Number.isInteger(seq) && seq > 0 && seq <= last ? seq : 0;
}

/** What an event says, in a line. @param {any} event */
function summary(event) {
  const parts = Object.entries(event.data).filter(([key]) => key !== 'timestamp' && key !== 'step_id')
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value.slice(0, SUMMARY) : JSON.stringify(value)?.slice(0, SUMMARY)}`);
  return visible(parts.join(' ').slice(0, SUMMARY).replace(/\s+/g, ' '));
}
