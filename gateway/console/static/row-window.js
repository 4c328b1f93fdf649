// Which rows of a long list are drawn: those that are seen, and some above and below.

/**
 * @typedef {object} RowWindow
 * @property {number} first Index of the first row that is drawn.
 * @property {number} end Index behind the last one.
 * @property {number[]} tops Where each row begins, in pixels; one more at the end: the whole height.
 */

/**
 * @param {readonly number[]} heights Of all rows, in pixels.
 * @param {number} scrolled How far the list is scrolled down, in pixels.
 * @param {number} seen Height of what is seen of it, in pixels.
 * @param {number} margin Drawn above and below of that, in pixels.
 * @returns {RowWindow}
 */
export function windowOf(heights, scrolled, seen, margin) {
  const tops = [0];
  for (const height of heights) tops.push(/** @type {number} */ (tops[tops.length - 1]) + height);
  const whole = /** @type {number} */ (tops[heights.length]);
  const from = Math.max(0, Math.min(scrolled, whole - seen) - margin);
  const to = Math.min(whole, Math.max(scrolled, 0) + seen + margin);
  const first = Math.max(0, lowest(tops, (top) => top > from) - 1);
  return { first, end: Math.min(heights.length, Math.max(first + 1, lowest(tops, (top) => top >= to))), tops };
}

/**
 * Returns the lowest index whose value is `wanted`; the values are wanted from some index on.
 * @param {readonly number[]} values
 * @param {(value: number) => boolean} wanted
 */
function lowest(values, wanted) {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (wanted(/** @type {number} */ (values[middle]))) high = middle;
    else low = middle + 1;
  }
  return low;
}
