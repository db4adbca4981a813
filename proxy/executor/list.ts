/**
 * Lists whose kind is settled from the start. V8 takes an empty array for one of small integers and changes its kind with the first object in it;
 * code that was compiled well by a rehearsal, whose lists had been used before, is thrown away when it meets one that has not (`--log-deopt`: "wrong
 * map"), in each executor's first milliseconds with a client.
 */
export function objectList<T extends object>(): T[] {
  const list: (T | object)[] = [{}];
  list.pop();
  return list as T[];
}

/** The same of numbers, which handles of the driver's are: addresses, of which V8 takes some for small integers and others not. */
export function numberList(): number[] {
  const list = [0.5];
  list.pop();
  return list;
}
