// A runner's log, followed as it is written. The last lines are kept; nothing of it is ever more than text.

import { open } from "./api.js";
import { byId, setText } from "./dom.js";

const TAIL = 300;
const MOST = 3000;
const CLOSE_TO_END = 40;

export class LogView {
  constructor() {
    this.log = byId("log");
    this.reading = null;
  }

  async follow(name) {
    this.leave();
    const reading = (this.reading = new AbortController());
    this.log.textContent = "";
    this.lines = 0;
    this.say("Reading …");
    try {
      const path = `/api/v1/runners/${encodeURIComponent(name)}/logs?follow=true&tail=${TAIL}`;
      const answer = await open("GET", path, { signal: reading.signal });
      this.say("Following.");
      await this.read(answer, reading);
      this.say(this.lines ? "The runner has ended." : "The log is empty, and the runner has ended.");
    } catch (problem) {
      if (reading.signal.aborted) return;
      this.say(problem.sentence ?? "The log broke off. Close and open it to go on.");
    }
  }

  leave() {
    this.reading?.abort();
    this.reading = null;
  }

  async read(answer, reading) {
    const text = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    while (!reading.signal.aborted) {
      const { value, done } = await text.read();
      if (done) return;
      this.add(value);
    }
  }

  add(text) {
    const atEnd = byId("log-follow").checked || this.isAtEnd();
    this.log.append(text);
    this.lines += text.split("\n").length - 1;
    if (this.lines > MOST) this.cut();
    if (atEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  isAtEnd() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < CLOSE_TO_END;
  }

  cut() {
    const kept = this.log.textContent.split("\n").slice(-MOST / 2);
    this.log.textContent = kept.join("\n");
    this.lines = kept.length;
  }

  say(sentence) {
    setText(byId("log-note"), sentence);
  }
}
