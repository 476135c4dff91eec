// Telling the reader how it goes: whether what is shown is live, and why something did not work.

import { keepToken } from './api.js';
import { fill, h, say } from './dom.js';

const connection = /** @type {HTMLElement} */ (document.getElementById('connection'));

/**
 * Say whether what is shown is live. Readers of screens hear that a connection is lost once, not each try.
 * @param {import('./live.js').State | null} state null: it need not be
 */
export function tellConnection(state) {
  const lost = state !== null && !state.connected && state.reason !== '';
  connection.classList.toggle('lost', lost);
  connection.classList.toggle('live', state?.connected === true);
  if (lost) {
    const [said, wait] = connection.children.length === 2 ? connection.children : [h('span', null), h('span', { 'aria-hidden': 'true' })];
    say(said, `Connection lost (${state.reason})`);
    wait.textContent = state.retryAfter ? `; coming back in ${Math.ceil(state.retryAfter)} s` : '; trying again';
    if (!said.isConnected) fill(connection, said, wait);
  } else {
    say(connection, state === null ? '' : state.connected ? '● live' : 'Connecting');
  }
}

/**
 * Show why something did not work, and what to do.
 * @param {HTMLElement} where
 * @param {unknown} error
 */
export function tellProblem(where, error) {
  const status = /** @type {any} */ (error).status;
  const message = error instanceof Error ? error.message : String(error);
  if (status === 401 || error === '401') fill(where, askForToken());
  else fill(where, h('p', { class: 'problem', role: 'alert' }, message));
}

function askForToken() {
  const field = h('input', { type: 'password', name: 'token', autocomplete: 'off', required: true });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    keepToken(/** @type {HTMLInputElement} */ (field).value);
    location.reload();
  };
  return h('form', { onsubmit: submit, class: 'empty' },
    h('p', null, 'This server asks for its token: the one it was started with.'),
    h('label', null, 'Token ', field), ' ', h('button', { class: 'primary' }, 'Show the jobs'));
}
