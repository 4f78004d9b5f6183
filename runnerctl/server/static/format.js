// Values as people read them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(count) {
  if (count === null || count === undefined) return "–";
  let unit = 0;
  let value = count;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** `42 s`, `3 min`, `2 h 5 min`, `4 d`. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 2 * 86400) {
    const minutes = Math.floor((whole % 3600) / 60);
    return `${Math.floor(whole / 3600)} h${minutes ? ` ${minutes} min` : ""}`;
  }
  return `${Math.floor(whole / 86400)} d`;
}

export const seconds = (from, to = Date.now()) => (from ? (to - Date.parse(from)) / 1000 : null);

export const ago = (time) => (time ? `${duration(seconds(time))} ago` : "–");

export const clock = (time) => new Date(time).toLocaleTimeString([], { hour12: false });

export const moment = (time) => (time ? new Date(time).toLocaleString([], { hour12: false }) : "–");

export const percent = (share) => `${Math.round(100 * share)} %`;

export const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
