/**
 * What a zone looks after now and then, while it is in use: a timer that stops by itself, because each wake-up of a silent zone's
 * process costs CPU time that nobody asked for, and keeps a core from its deeper sleep.
 */
const BEAT_MS = 250;
/** Beats with nothing to look after, after which there are no more. */
const STILL_MAX = 2;

export class Pulse {
  private timer: NodeJS.Timeout | null = null;
  private still = 0;

  /** `beat` says whether there was anything to look after. */
  constructor(private readonly beat: () => boolean) {}

  /** Work has come: beats from now on, until none comes any more. */
  start(): void {
    this.still = 0;
    this.timer ??= setInterval(() => {
      if (this.beat()) this.still = 0;
      else if (++this.still >= STILL_MAX) this.stop();
    }, BEAT_MS).unref();
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }
}
