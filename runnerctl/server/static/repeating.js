// Something that is done now and then, and soon when asked for, but never twice at once and never too often.

export class Repeating {
  constructor(act, { every, least = 300 }) {
    Object.assign(this, { act, every, least });
    this.timer = null;
    this.running = false;
    this.again = false;
    this.stopped = true;
  }

  start() {
    this.stopped = false;
    return this.run();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  soon() {
    if (this.stopped) return;
    if (this.running) {
      this.again = true;
      return;
    }
    if (this.hurried) return;
    this.hurried = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.run(), this.least);
  }

  async run() {
    clearTimeout(this.timer);
    if (this.stopped || this.running) return;
    this.running = true;
    this.hurried = false;
    try {
      await this.act();
    } finally {
      this.running = false;
      if (!this.stopped) this.timer = setTimeout(() => this.run(), this.again ? this.least : this.every());
      this.hurried = this.again;
      this.again = false;
    }
  }
}
