// What happens, as it happens: the server's events while this page is looked at, from where the last ones ended.
//
// A browser has few connections to one server: a page in the background gives its own back after a while.

const EVENTS = "/api/v1/events";
const AGAIN = 3000;
const UNSEEN = 10000;

export class Live {
  /** `heard(event)`, `missed()` where all must be read anew, `changed(state)`: live, lost; `refused()`: log in again. */
  constructor({ heard, missed, changed, refused }) {
    Object.assign(this, { heard, missed, changed, refused });
    this.last = null;
    this.source = null;
    this.timer = null;
    this.seen = () => (document.hidden ? this.later(() => this.pause(), UNSEEN) : this.open());
  }

  start() {
    document.addEventListener("visibilitychange", this.seen);
    this.open();
  }

  stop() {
    document.removeEventListener("visibilitychange", this.seen);
    this.pause();
    this.last = null;
  }

  pause() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  later(act, milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(act, milliseconds);
  }

  open() {
    clearTimeout(this.timer);
    if (this.source && this.source.readyState !== EventSource.CLOSED) return;
    const source = new EventSource(this.last === null ? EVENTS : `${EVENTS}?after=${this.last}`);
    this.source = source;
    source.addEventListener("position", (message) => this.begun(message));
    source.addEventListener("message", (message) => this.take(message));
    source.addEventListener("resync", (message) => {
      this.note(message);
      this.missed();
    });
    source.addEventListener("error", () => this.failed(source));
  }

  begun(message) {
    const fresh = this.last === null;
    this.note(message);
    this.changed("live");
    this.missed(fresh ? this.last : null);
  }

  take(message) {
    this.note(message);
    this.heard(JSON.parse(message.data));
  }

  note(message) {
    if (message.lastEventId) this.last = Number(message.lastEventId);
  }

  /** A browser connects again by itself, unless it was answered with a refusal. */
  failed(source) {
    if (source !== this.source) return;
    this.changed("lost");
    if (source.readyState !== EventSource.CLOSED) return;
    this.later(async () => {
      if (await this.refused()) return;
      this.open();
    }, AGAIN);
  }
}
