// Requests to the box. Each is answered with the whole state, or with a mistake in words.

/** @import { State, Wording } from "../messages.d.ts" */

const LOST = { vi: "Không liên lạc được với thiết bị", en: "The box cannot be reached", vi_todo: "Kiểm tra mạng; trang có thể đã đóng.", en_todo: "Check the network; the page may have been closed." };

const ENTER = { vi: "Hãy nhập mã", en: "Enter the code", vi_todo: "", en_todo: "" };

/** What keeps a request from being done, in words. */
export class Mistake extends Error {
  /**
   * @param {Wording} wording
   * @param {number} status Of the answer; 0: there was none.
   */
  constructor(wording, status) {
    super(wording.en);
    this.wording = wording;
    this.status = status;
  }
}

/**
 * Returns the state after `name` was done with `body`.
 * @param {string} name
 * @param {object} [body]
 * @returns {Promise<State>}
 */
export async function post(name, body = {}) {
  return answered(() => fetch(`/api/${name}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }));
}

/** @returns {Promise<State>} */
export async function fetchState() {
  return answered(() => fetch("/api/state"));
}

/** @param {() => Promise<Response>} ask */
async function answered(ask) {
  let response;
  try {
    response = await ask();
  } catch {
    throw new Mistake(LOST, 0);
  }
  const text = await response.text();
  const state = response.ok ? JSON.parse(text) : null;
  if (state?.entered === false) throw new Mistake(ENTER, 401);
  if (state !== null) return state;
  throw new Mistake(wordingIn(text) ?? { vi: `Thiết bị từ chối (${response.status})`, en: `The box refuses (${response.status})`, vi_todo: "", en_todo: "" }, response.status);
}

/**
 * @param {string} text
 * @returns {Wording | null}
 */
function wordingIn(text) {
  try {
    return JSON.parse(text).mistake ?? null;
  } catch {
    return null;
  }
}
