// What this browser remembers. Where it may not (cookies are blocked, the storage is full or corrupt)
// the page goes on, and remembers until it is closed.

export class Memory {
  #open;
  /** @type {Map<string, string>} What could not be stored. */
  #unstored = new Map();
  /** Whether the browser has refused. */
  denied = false;

  /** @param {() => Storage} open Even asking for it may throw. */
  constructor(open) {
    this.#open = open;
  }

  /** @param {string} key */
  get(key) {
    const unstored = this.#unstored.get(key);
    if (unstored !== undefined) return unstored;
    try {
      return this.#open().getItem(key);
    } catch {
      this.denied = true;
      return null;
    }
  }

  /**
   * @param {string} key
   * @param {string} value
   */
  set(key, value) {
    try {
      this.#open().setItem(key, value);
      this.#unstored.delete(key);
    } catch {
      this.denied = true;
      this.#unstored.set(key, value);
    }
  }
}

/** For good. */
export const settings = new Memory(() => localStorage);
/** For this tab, also over a reload. */
export const tabMemory = new Memory(() => sessionStorage);
