// An error in one part is told, and the rest goes on.

/**
 * Hands an error to whoever shows errors of the page: boot.js, the browser's console.
 * @param {unknown} error
 */
export function reportFault(error) {
  if (typeof reportError === "function") reportError(error);
  else console.error(error);
}

/**
 * Does one part of several; returns whether it went well.
 * @param {() => void} part
 */
export function attempt(part) {
  try {
    part();
    return true;
  } catch (error) {
    reportFault(error);
    return false;
  }
}
