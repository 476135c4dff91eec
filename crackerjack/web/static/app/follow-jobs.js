// All jobs as they go on, for a page that shows what the server makes of them.

import { get } from './api.js';
import { follow } from './live.js';
import { tellConnection, tellProblem } from './tell.js';

/** The events after which a run is over. */
export const ENDED = ['workflow_completed', 'workflow_failed', 'workflow_interrupted'];
const PATIENCE = 1000; // milliseconds until a page is filled without a live connection

/**
 * What happens between an answer and the beginning of the stream would be missed: so the stream is first.
 * @param {() => void} load called when the stream begins, and whenever it does so again; also when it takes long to
 * @param {(events: any[]) => void} take
 * @param {HTMLElement} problem where it is told why there is no stream
 * @returns {() => void} stops
 */
export function followJobs(load, take, problem) {
  const patience = setTimeout(load, PATIENCE);
  let isLive = false;
  const stop = follow('all', 0, take, (state) => {
    tellConnection(state);
    if (state.connected && !isLive) {
      clearTimeout(patience);
      load();
    }
    isLive = state.connected;
  }, (error) => {
    clearTimeout(patience);
    tellConnection(null);
    tellProblem(problem, error);
  });
  return () => {
    clearTimeout(patience);
    stop();
  };
}

/**
 * For a page about one project: `load` is called too whenever a run of it ends.
 * @param {() => void} load
 * @param {() => string} project which it is now; empty when that is not known yet
 * @param {HTMLElement} problem
 * @param {AbortSignal} signal
 * @returns {() => void} stops
 */
export function followProject(load, project, problem, signal) {
  /** @param {Set<string>} ended job IDs */
  async function isOurs(ended) {
    if (!project()) return true;
    const answer = await get(`/jobs?${new URLSearchParams({ project: project(), limit: '200' })}`, signal);
    return answer.jobs.some((/** @type {any} */ job) => ended.has(job.job_id));
  }
  return followJobs(load, (events) => {
    const ended = new Set(events.filter((event) => ENDED.includes(event.event_type)).map((event) => event.job_id));
    if (ended.size) isOurs(ended).then((ours) => ours && load(), () => {}); // a page that is closed, or a server that comes back
  }, problem);
}
