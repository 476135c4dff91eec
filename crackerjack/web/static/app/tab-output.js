// What each hook printed, with its colours; live while it runs.

import { eachEvent, getText, jobPath } from './api.js';
import { Lines } from './ansi.js';
import { fill, h, onceAFrame, say } from './dom.js';
import { plural, sign, tone, words } from './format.js';
import { link, refine } from './router.js';
import { tellProblem } from './tell.js';
import { VirtualList } from './virtual-list.js';

const ROW_HEIGHT = 20; // CSS pixels

/**
 * @param {HTMLElement} box
 * @param {import('./job-view.js').Context} context
 * @returns {import('./main.js').View}
 */
export function open(box, { job, place, signal }) {
  const hooks = h('nav', { class: 'output-hooks', 'aria-label': 'Hooks' });
  const search = /** @type {HTMLInputElement} */ (h('input', {
    type: 'search', name: 'find', placeholder: 'Find in this output', 'aria-label': 'Find', '.value': place.query.get('find') || '',
  }));
  const count = h('span', { class: 'faint', role: 'status' });
  const problem = h('div', null);
  const list = /** @type {VirtualList} */ (h('virtual-list', { class: 'output', 'aria-label': 'Output', role: 'region' }));
  const nothing = h('p', { class: 'empty', hidden: true });
  const step = (/** @type {number} */ by) => h('button', { onclick: () => go(by), 'aria-label': by > 0 ? 'Next match' : 'Match before' }, by > 0 ? '↓' : '↑');
  const whole = h('button', { onclick: save }, 'Save');
  list.rowHeight = ROW_HEIGHT;
  list.draw = drawRow;
  fill(box, h('div', { class: 'output-tab' }, hooks, h('div', null,
    h('div', { class: 'bar', role: 'search' }, search, step(-1), step(1), count, whole),
    problem, nothing, list)));

  let shown = '';
  /** The step of a phase that runs no hooks: what prints in it has another name. */
  let phase = '';
  let printer = '';
  let lines = new Lines();
  let upTo = 0;
  let wanted = '';
  /** @type {number[]} */
  let matches = [];
  let searched = 0;
  let current = -1;
  let reading = new AbortController();

  /** @param {import('./ansi.js').Row} row @param {number} index */
  function drawRow(row, index) {
    const hit = matches.length > 0 && matches[current] === index;
    return h('div', { class: hit ? 'output-row hit' : 'output-row' },
      h('span', { class: 'output-number', 'aria-hidden': 'true' }, row.goesOn ? '' : String(row.number)),
      h('bdi', { class: 'output-text', dir: 'ltr' }, row.spans.flatMap((span) => marked(span, wanted))));
  }

  const draw = onceAFrame(() => {
    if (signal.aborted) return;
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 2 * ROW_HEIGHT;
    find();
    list.items = lines.rows;
    nothing.hidden = lines.rows.length > 0;
    list.hidden = lines.rows.length === 0;
    if (!nothing.hidden) {
      const hook = job.allHooks.find((one) => one.name === shown);
      fill(nothing, ...(shown ? [`${shown} printed nothing. `, ...(hook?.findings ? ['What it found is among the ',
        h('a', { href: link(['job', job.id, 'findings']) }, 'findings'), '.'] : [hook?.reason || ''])] : ['No hook has begun yet.']));
    }
    if (atEnd && isRunning() && lines.rows.length) requestAnimationFrame(() => { list.scrollTop = list.scrollHeight; });
    const said = wanted ? (matches.length ? `${current + 1} of ${plural(matches.length, 'row')}` : 'not found') : plural(lines.lines, 'line');
    say(count, said);
  });

  function isRunning() {
    return job.allHooks.some((hook) => hook.name === shown && hook.status === 'running');
  }

  /** Look through what was not looked through yet. */
  function find() {
    for (; wanted && searched < lines.rows.length; searched += 1) {
      const text = lines.rows[searched].spans.map((span) => span.text).join('').toLowerCase();
      if (text.includes(wanted)) matches.push(searched);
    }
    if (current < 0 && matches.length) current = 0;
  }

  function searchAnew() {
    wanted = search.value.toLowerCase();
    matches = [];
    searched = 0;
    current = -1;
    find();
    if (matches.length) list.reveal(matches[0]);
    draw();
  }

  /** @param {number} by */
  function go(by) {
    if (!matches.length) return;
    current = (current + by + matches.length) % matches.length;
    list.reveal(matches[current]);
    draw();
  }

  search.addEventListener('input', () => {
    refine({ find: search.value });
    searchAnew();
  });
  search.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') go(event.shiftKey ? -1 : 1);
  });

  async function save() {
    const name = printer || shown;
    try {
      const text = await getText(jobPath(job.id, 'output', name), signal);
      const address = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
      h('a', { href: address, download: `${job.id}-${name.replace(/[^\w.-]/g, '_')}.txt` }).click();
      URL.revokeObjectURL(address);
    } catch (error) {
      if (!signal.aborted) tellProblem(problem, error);
    }
  }

  /** Show the output of a hook: all there is, and then what comes. @param {string} name */
  async function show(name) {
    shown = name;
    printer = '';
    phase = job.allHooks.find((hook) => hook.phase && hook.name === name)?.step || '';
    reading.abort();
    reading = new AbortController();
    const mine = reading.signal;
    lines = new Lines();
    upTo = 0;
    searchAnew();
    drawHooks();
    if (!name) return;
    /** What comes while the rest is read. @type {any[]} */
    const meanwhile = [];
    later = (event) => meanwhile.push(event);
    try {
      if (job.finished && !phase) {
        lines.take(await getText(jobPath(job.id, 'output', name), mine));
      } else {
        upTo = await eachEvent(job.id, 'hook_output', take, mine);
      }
    } catch (error) {
      if (!mine.aborted && !signal.aborted) tellProblem(problem, error);
      return;
    }
    if (mine.aborted) return;
    for (const event of meanwhile) if (event.seq > upTo) take(event);
    later = (event) => {
      if (event.seq > upTo) take(event);
    };
    draw();
  }

  /** @type {(event: any) => void} */
  let later = () => {};

  /** @param {any} event */
  function take(event) {
    if (phase ? event.data.step_id !== phase : event.data.hook !== shown) return;
    printer = event.data.hook;
    lines.take(event.data.text);
    draw();
  }

  let drawn = '';
  function drawHooks() {
    const names = new Map(job.allHooks.map((hook) => [hook.name, hook]));
    const looks = JSON.stringify([shown, [...names.values()].map((hook) => [hook.name, hook.status])]);
    if (looks === drawn) return;
    drawn = looks;
    const focused = hooks.contains(document.activeElement);
    fill(hooks, ...[...names.values()].map((hook) => h('a', {
      href: link(['job', job.id, 'output', hook.name]), 'data-row': '', 'aria-current': hook.name === shown ? 'true' : null,
    }, h('span', { class: `tone-${tone(hook.status)}`, title: words(hook.status) }, sign(hook.status)), ` ${hook.name}`)));
    if (focused) /** @type {HTMLElement | null} */ (hooks.querySelector('[aria-current]'))?.focus();
  }

  /** Whose output: as the address says, else of what runs, or failed. @param {import('./router.js').Place} at */
  function chosen(at) {
    if (at.parts[3]) return at.parts[3];
    const of = (/** @type {string[]} */ ...tones) => job.allHooks.find((hook) => tones.includes(tone(hook.status)));
    return (of('live') || of('bad') || of('warn', 'good') || job.allHooks[0])?.name || '';
  }

  const takeEvent = (/** @type {Event} */ told) => {
    const event = /** @type {CustomEvent} */ (told).detail;
    if (event.event_type === 'hook_output') later(event);
  };
  const takeChange = onceAFrame(() => {
    if (signal.aborted) return;
    drawHooks();
    if (!shown && job.allHooks.length) show(chosen(place));
  });
  job.addEventListener('event', takeEvent);
  job.addEventListener('change', takeChange);
  show(chosen(place));

  return {
    update(next) {
      const name = chosen(next);
      if (name !== shown) show(name);
      return true;
    },
    close() {
      reading.abort();
      job.removeEventListener('event', takeEvent);
      job.removeEventListener('change', takeChange);
    },
  };
}

/**
 * @param {import('./ansi.js').Span} span
 * @param {string} wanted
 * @returns {(Node | string)[]}
 */
function marked({ text, classes }, wanted) {
  /** @type {(Node | string)[]} */
  const parts = [];
  const lower = wanted ? text.toLowerCase() : '';
  let at = 0;
  for (let found = wanted ? lower.indexOf(wanted) : -1; found >= 0; found = lower.indexOf(wanted, at)) {
    parts.push(text.slice(at, found), h('mark', null, text.slice(found, found + wanted.length)));
    at = found + wanted.length;
  }
  parts.push(text.slice(at));
  return classes ? [h('span', { class: classes }, ...parts)] : parts;
}
