// One connection for each stream, shared by the tabs of a browser that lets them.

import { token } from './api.js';

/**
 * @typedef {{connected: boolean, reason: string, retryAfter: number, seq: number}} State
 */

/** @type {SharedWorker | null} */
let worker = null;
try {
  worker = new SharedWorker('/app/live-worker.js', { type: 'module', name: 'crackerjack' });
  worker.port.start();
} catch {
  worker = null; // no shared workers here: each tab has connections of its own
}

let subscriptions = 0;
/** @type {Promise<typeof import('./streams.js')> | null} */
let own = null;

/**
 * Follow a stream: `job/ID` from after `since`, or `all`.
 * @param {string} name
 * @param {number} since
 * @param {(events: any[]) => void} onEvents
 * @param {(state: State) => void} onState
 * @param {(error: string) => void} onEnd empty when the job has ended
 * @returns {() => void} stops
 */
export function follow(name, since, onEvents, onState, onEnd) {
  if (!worker) {
    let stop = () => {};
    let stopped = false;
    own = own || import('./streams.js');
    own.then(({ subscribe }) => {
      if (!stopped) stop = subscribe(name, since, token(), { onEvents, onState, onEnd });
    });
    return () => {
      stopped = true;
      stop();
    };
  }
  const port = worker.port;
  const id = `${Date.now()}-${Math.random()}-${subscriptions += 1}`;
  /** @param {MessageEvent} message */
  const take = ({ data }) => {
    if (data.id !== id) return;
    if (data.events) onEvents(data.events);
    if (data.state) onState(data.state);
    if (data.end !== undefined) onEnd(data.end);
  };
  port.addEventListener('message', take);
  port.postMessage({ id, name, since, token: token() });
  const leave = () => port.postMessage({ id, stop: true });
  addEventListener('pagehide', leave);
  return () => {
    port.removeEventListener('message', take);
    removeEventListener('pagehide', leave);
    leave();
  };
}
