// The server's clock: ages must be right on a screen whose own clock is wrong.

let offsetMs = 0;

/**
 * Takes the server's time from its greeting.
 * @param {number} serverMs Unix time of the server in milliseconds.
 */
export function setServerTime(serverMs) {
  offsetMs = serverMs - Date.now();
}

/** Returns the Unix time of the server in milliseconds. */
export function serverNowMs() {
  return Date.now() + offsetMs;
}
