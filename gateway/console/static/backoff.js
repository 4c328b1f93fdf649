// The pause before the next attempt: doubled each time up to a ceiling, with jitter, so that many
// pages do not come back at the same moment.

export class Backoff {
  #firstMs;
  #ceilingMs;
  #jitter;
  #random;
  #delayMs;

  /**
   * @param {number} firstMs
   * @param {number} ceilingMs
   * @param {number} jitter 0.3: each pause is 0.7 to 1.3 of what it would be.
   * @param {() => number} [random] From 0 to 1.
   */
  constructor(firstMs, ceilingMs, jitter, random = Math.random) {
    this.#firstMs = firstMs;
    this.#ceilingMs = ceilingMs;
    this.#jitter = jitter;
    this.#random = random;
    this.#delayMs = firstMs;
  }

  /** @param {number} [delayMs] This pause instead of the one that is due; the next one still grows. */
  nextMs(delayMs = this.#delayMs) {
    this.#delayMs = Math.min(this.#delayMs * 2, this.#ceilingMs);
    return delayMs * (1 - this.#jitter + this.#random() * 2 * this.#jitter);
  }

  reset() {
    this.#delayMs = this.#firstMs;
  }
}
