// The worker that all tabs share: see streams.js.

import { subscribe } from './streams.js';

// Held as long as it lives: tabs that wait for it learn when the process is gone.
const worker = `crackerjack worker ${Date.now()}-${Math.random()}`;
const held = new Promise((then) => {
  navigator.locks?.request(worker, () => {
    then(worker);
    return new Promise(() => {});
  });
});

/** @type {any} */ (self).onconnect = (/** @type {MessageEvent} */ connected) => {
  const port = connected.ports[0];
  /** @type {Map<string, () => void>} */
  const subscriptions = new Map();
  port.onmessage = ({ data }) => {
    if (data.alive) { // who holds this lock is alive; a tab that crashes says no word
      navigator.locks?.request(data.alive, () => subscriptions.forEach((stop) => stop()));
    } else if (data.stop) {
      subscriptions.get(data.id)?.();
      subscriptions.delete(data.id);
    } else {
      subscriptions.get(data.id)?.();
      subscriptions.set(data.id, subscribe(data.name, data.since, data.token, {
        onEvents: (events) => port.postMessage({ id: data.id, events }),
        onState: (state) => port.postMessage({ id: data.id, state }),
        onEnd: (end) => port.postMessage({ id: data.id, end }),
      }));
    }
  };
  port.start();
  held.then(() => port.postMessage({ worker }));
};
