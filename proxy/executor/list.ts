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

/**
 * A list that is often empty, and keeps its room: V8 gives an array's memory back with its last element, so that one which holds a single thing now and then is
 * allocated anew each time. Numbers beyond small integers are objects in it, as the driver's functions take them, and are made once.
 */
export class Stack<T> {
  private count = 0;
  private readonly nothing = {} as T;
  private readonly items = [this.nothing];

  get length(): number {
    return this.count;
  }

  push(item: T): void {
    this.items[this.count++] = item;
  }

  /** undefined: it is empty. */
  pop(): T | undefined {
    if (this.count === 0) return undefined;
    const item = this.items[--this.count];
    this.items[this.count] = this.nothing;
    return item;
  }

  /** `index`: below the length. */
  at(index: number): T {
    return this.items[index];
  }

  set(index: number, item: T): void {
    this.items[index] = item;
  }

  clear(): void {
    while (this.count !== 0) this.items[--this.count] = this.nothing;
  }
}

/** As objectList, of numbers, which handles of the driver's are: addresses, of which V8 takes some for small integers and others not. */
export function numberList(): number[] {
  const list = [0.5];
  list.pop();
  return list;
}
