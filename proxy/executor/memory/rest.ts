/**
 * Freed memory that work under way may still touch: it rests until that work is done.
 *
 * cuMemFree is answered when the client's work is done, as the driver does it; the address fails every check at once. Freed while
 * the client has nothing under way, memory waits for
 * nothing. cuMemFreeAsync orders the free by its stream: another allocation on that same stream may have the memory at once,
 * since the stream itself puts the new use behind the old one; everyone else waits until the stream has got there.
 */
import type { Heap } from './heap.ts';
import type { Area } from './intervals.ts';
import { NodeState } from './tlsf.ts';

/** How many of a stream's last frees are looked at for one of the right size. */
const LOOK_BACK = 64;

/** Blocks and areas, each with its epoch at the time: one that has been revived since is not this batch's any more. */
export class Batch {
  private readonly blocks: number[] = [];
  private readonly areas: Area[] = [];
  private readonly epochs: number[] = [];
  /** How far settle() has come. */
  private settled = 0;

  get empty(): boolean {
    return this.blocks.length === 0 && this.areas.length === 0;
  }

  addBlock(node: number, epoch: number): void {
    this.blocks.push(node, epoch);
  }

  addArea(area: Area): void {
    this.areas.push(area);
    this.epochs.push(area.epoch);
  }

  /** Takes out a resting block of just `units` units; 0: none. */
  takeBlock(heap: Heap, units: number): number {
    const { state, size } = heap.blocks;
    for (let i = this.blocks.length - 2, end = Math.max(0, i - 2 * LOOK_BACK); i >= end; i -= 2) {
      const node = this.blocks[i];
      if (size[node] !== units || heap.epoch[node] !== this.blocks[i + 1] || state[node] !== NodeState.resting) continue;
      heap.epoch[node]++;
      return node;
    }
    return 0;
  }

  /** Takes out a resting area of just `granules` granules; null: none. */
  takeArea(granules: number): Area | null {
    for (let i = this.areas.length - 1, end = Math.max(0, i - LOOK_BACK); i >= end; i--) {
      const area = this.areas[i];
      if (area.granules !== granules || area.epoch !== this.epochs[i] || area.state !== NodeState.resting) continue;
      area.epoch++;
      return area;
    }
    return null;
  }

  /** Calls back for what still rests, for so many at most; true: for everything, and the batch is empty. */
  settle(heap: Heap, block: (node: number) => void, whole: (area: Area) => void, most: number): boolean {
    const end = this.settled + most;
    for (; this.settled < this.blocks.length >> 1; this.settled++) {
      if (this.settled === end) return false;
      const node = this.blocks[2 * this.settled];
      if (heap.epoch[node] === this.blocks[2 * this.settled + 1] && heap.blocks.state[node] === NodeState.resting) block(node);
    }
    for (let i = this.settled - (this.blocks.length >> 1); i < this.areas.length; i++, this.settled++) {
      if (this.settled === end) return false;
      const area = this.areas[i];
      if (area.epoch === this.epochs[i] && area.state === NodeState.resting) whole(area);
    }
    this.clear();
    return true;
  }

  clear(): void {
    this.blocks.length = 0;
    this.areas.length = 0;
    this.epochs.length = 0;
    this.settled = 0;
  }
}

/**
 * Two batches: one whose moment is being waited for, one that collects what is freed meanwhile.
 * `wait` calls back when everything submitted so far is done, and answers true if it did so at once. `settled` frees a batch, or a part
 * of it, and answers whether it is empty: what is left goes later (`again`), because a hundred thousand blocks take a tenth of a second.
 */
export class Rest {
  private waited = new Batch();
  private collected = new Batch();
  private waiting = false;

  constructor(
    private readonly wait: (then: () => void) => boolean,
    private readonly settled: (batch: Batch) => boolean,
    private readonly again: (check: () => boolean) => void,
    private readonly idle: () => void = () => {},
  ) {}

  get empty(): boolean {
    return this.waited.empty && this.collected.empty;
  }

  addBlock(node: number, epoch: number): void {
    this.collected.addBlock(node, epoch);
    if (!this.waiting) this.begin();
  }

  addArea(area: Area): void {
    this.collected.addArea(area);
    if (!this.waiting) this.begin();
  }

  takeBlock(heap: Heap, units: number): number {
    return this.collected.takeBlock(heap, units) || this.waited.takeBlock(heap, units);
  }

  takeArea(granules: number): Area | null {
    return this.collected.takeArea(granules) ?? this.waited.takeArea(granules);
  }

  clear(): void {
    this.waited.clear();
    this.collected.clear();
  }

  private begin(): void {
    const batch = this.collected;
    this.collected = this.waited;
    this.waited = batch;
    this.waiting = true;
    this.wait(this.done);
  }

  private readonly done = (): void => {
    if (!this.finish()) this.again(this.finish);
  };

  private readonly finish = (): boolean => {
    if (!this.settled(this.waited)) return false;
    this.waiting = false;
    if (!this.collected.empty) this.begin();
    else this.idle();
    return true;
  };
}
