// What happened last, the newest first.

import { get } from "./api.js";
import { byId, el, keyed, setText } from "./dom.js";
import { clock, moment } from "./format.js";

const SHOWN = 100;
const BEFORE = 60;

export class Events {
  constructor() {
    this.items = [];
  }

  /** Those before `last`: sequence numbers are of all runners, so that some of them may be others'. */
  async begin(last) {
    const told = await get(`/api/v1/events?after=${Math.max(0, last - BEFORE)}&limit=${BEFORE}`);
    this.items = told.items.reverse();
    this.draw();
  }

  add(event) {
    if (this.items.some((each) => each.id === event.id)) return;
    this.items = [event, ...this.items].slice(0, SHOWN);
    this.draw();
  }

  clear() {
    this.items = [];
    this.draw();
  }

  draw() {
    const told = this.items.filter((event) => event.text);
    keyed(byId("event-list"), told, { key: (event) => event.id, make: line });
    byId("event-list").hidden = !told.length;
    setText(byId("events-note"), told.length ? "" : "Nothing has happened yet.");
  }
}

function line(event) {
  return el(
    "li",
    { "data-event": event.id },
    el("time", { class: "quiet small", datetime: event.at, title: moment(event.at) }, clock(event.at)),
    el("span", {}, el("strong", {}, event.runner ?? "This host"), ` ${event.text}`),
  );
}
