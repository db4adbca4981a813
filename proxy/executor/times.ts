/**
 * Before all times of performance.now(). Not an integer: V8 keeps those apart in an object's fields, and the first other number in one would have all
 * code that knows such objects thrown away, in the middle of some client's calls.
 */
export const LONG_AGO = -0.5;
