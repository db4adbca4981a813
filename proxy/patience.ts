/**
 * The longest wait for another process. Only time in which this process ran counts: where it stood still itself (a laptop that was suspended,
 * a virtual machine that was paused, SIGSTOP), the other did too or its answer lies here unread, for timers come before sockets in the loop.
 */
const PARTS = 10;

export class Patience {
  private readonly timer: NodeJS.Timeout;
  private parts = 0;

  /** `exhausted` is called once, after `ms` milliseconds, unless end() comes first. */
  constructor(ms: number, exhausted: () => void) {
    this.timer = setInterval(() => {
      // An interval that was due several times is called once: a standstill costs one part, and the sockets are read before the next.
      if (++this.parts < PARTS) return;
      this.end();
      exhausted();
    }, ms / PARTS);
  }

  end(): void {
    clearInterval(this.timer);
  }
}
