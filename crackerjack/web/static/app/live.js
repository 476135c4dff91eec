// One connection for each stream, shared by the tabs of a browser that lets them.

import { token } from './api.js';

/**
 * @typedef {{connected: boolean, reason: string, retryAfter: number, seq: number}} State
 * @typedef {object} Followed
 * @property {string} name
 * @property {number} since what this page has
 * @property {(events: any[]) => void} onEvents
 * @property {(state: State) => void} onState
 * @property {(error: string) => void} onEnd
 * @property {() => void} [stop] where there is no worker
 */

/** By the name of the subscription. @type {Map<string, Followed>} */
const followed = new Map();
const page = `${Date.now()}-${Math.random()}`;
let subscriptions = 0;

/** Undefined until something is followed; null where there are no shared workers. @type {SharedWorker | null | undefined} */
let worker;
/** Ended when this page leaves the worker. */
let there = new AbortController();

function connect() {
  let mine;
  try {
    mine = new SharedWorker('/app/live-worker.js', { type: 'module', name: 'crackerjack' });
  } catch {
    worker = null; // each tab has connections of its own
    return;
  }
  worker = mine;
  there = new AbortController();
  const { signal } = there;
  mine.onerror = () => { // it could not be loaded
    if (signal.aborted) return;
    worker = null;
    for (const id of followed.keys()) ask(id);
  };
  mine.port.onmessage = ({ data }) => {
    if (signal.aborted) return;
    if (data.worker) whenFree(data.worker, signal, again); // it lives in the process of some tab, and dies with it
    else take(data);
  };
  mine.port.start();
  hold(`crackerjack ${page}`, signal, (alive) => mine.port.postMessage({ alive }));
}

/**
 * Hold a lock as long as this page is there, however it goes: a tab that crashes says no word.
 * @param {string} name
 * @param {AbortSignal} signal lets go of it
 * @param {(name: string) => void} then
 */
function hold(name, signal, then) {
  navigator.locks?.request(name, () => {
    if (signal.aborted) return undefined;
    then(name);
    return new Promise((letGo) => signal.addEventListener('abort', letGo));
  });
}

/** @param {string} name of a lock @param {AbortSignal} signal @param {() => void} then called when nobody holds it */
function whenFree(name, signal, then) {
  navigator.locks?.request(name, { signal }, then).catch(() => {}); // this page went first
}

/** Leave the worker. A page that holds no lock and no stream can be kept by the browser, for when one comes back to it. */
function disconnect() {
  for (const id of followed.keys()) leave(id);
  worker?.port.close();
  worker = undefined;
  there.abort();
}

/** Connect anew; every view is told, for it may have missed something. */
function again() {
  disconnect();
  for (const [id, one] of followed) {
    one.onState({ connected: false, reason: 'the tab that held it is gone', retryAfter: 0, seq: one.since });
    ask(id);
  }
}

addEventListener('pagehide', disconnect);
addEventListener('pageshow', (event) => { // the page is back from the browser's memory, and goes on where it was
  if (event.persisted) again();
});

/** @param {any} data */
function take({ id, events, state, end }) {
  const one = followed.get(id);
  if (!one) return;
  if (events) {
    if (one.name !== 'all') one.since = Math.max(one.since, events[events.length - 1].seq);
    one.onEvents(events);
  }
  if (state) one.onState(state);
  if (end !== undefined) one.onEnd(end);
}

/** Ask for the stream, from where this page is. @param {string} id */
function ask(id) {
  const { name, since } = /** @type {Followed} */ (followed.get(id));
  if (worker === undefined) connect();
  if (worker) {
    worker.port.postMessage({ id, name, since, token: token() });
    return;
  }
  import('./streams.js').then(({ subscribe }) => {
    const one = followed.get(id);
    if (!one) return;
    one.stop?.();
    one.stop = subscribe(name, one.since, token(), {
      onEvents: (events) => take({ id, events }),
      onState: (state) => take({ id, state }),
      onEnd: (end) => take({ id, end }),
    });
  });
}

/** @param {string} id */
function leave(id) {
  worker?.port.postMessage({ id, stop: true });
  followed.get(id)?.stop?.();
}

/**
 * Follow a stream: `job/ID` from after `since`, or `all`.
 * @param {string} name
 * @param {number} since
 * @param {(events: any[]) => void} onEvents
 * @param {(state: State) => void} onState
 * @param {(error: string) => void} onEnd empty when the job has ended; `401` when the token is not the server's
 * @returns {() => void} stops
 */
export function follow(name, since, onEvents, onState, onEnd) {
  const id = `${page} ${subscriptions += 1}`;
  followed.set(id, { name, since, onEvents, onState, onEnd });
  ask(id);
  return () => {
    leave(id);
    followed.delete(id);
  };
}
