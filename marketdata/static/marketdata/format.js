// Formats numbers and dates as Indian traders read them: lakh and crore grouping, IST, a dash for unknown values. Pure.

import { priceOf } from "./quotes.js";

export const UNKNOWN = "–";

const TWO_DECIMALS = new Intl.NumberFormat("en-IN", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const FOUR_DECIMALS = new Intl.NumberFormat("en-IN", { minimumFractionDigits: 4, maximumFractionDigits: 4 });
const WHOLE = new Intl.NumberFormat("en-IN", { maximumFractionDigits: 0 });
const STRIKE = new Intl.NumberFormat("en-IN", { maximumFractionDigits: 2 });

// Indian numbering: 1 lakh = 1,00,000; 1 crore = 1,00,00,000.
const LAKH = 100_000;
const CRORE = 10_000_000;

/**
 * Format a float32 price as the exchange quoted it, with four decimals where the tick is below one paisa.
 * @param {number | null} price
 * @param {number | null} [tickSize]
 */
export function formatPrice(price, tickSize = null) {
  const quoted = priceOf(price, tickSize);
  if (quoted === null) {
    return UNKNOWN;
  }
  return (tickSize !== null && tickSize > 0 && tickSize < 0.01 ? FOUR_DECIMALS : TWO_DECIMALS).format(quoted);
}

/** @param {number | null} count */
export function formatWhole(count) {
  return count === null ? UNKNOWN : WHOLE.format(count);
}

/**
 * Format a count with three significant figures, 12.3L or 4.56Cr, to compare down a column; below a lakh in full.
 * @param {number | null} count
 */
export function formatCompact(count) {
  if (count === null) {
    return UNKNOWN;
  }
  if (count < LAKH) {
    return WHOLE.format(count);
  }
  // 99.95 lakh and above would round up to "100L", so they are formatted as 1.00Cr.
  return count < CRORE - LAKH / 20 ? `${threeFigures(count / LAKH)}L` : `${threeFigures(count / CRORE)}Cr`;
}

/** @param {number} value */
function threeFigures(value) {
  // The limits are the values that toFixed would round up to one more digit.
  if (value >= 99.95) {
    return WHOLE.format(value);
  }
  return value.toFixed(value >= 9.995 ? 1 : 2);
}

/** By number of decimals: to make a formatter costs far more than to use one. @type {Map<number, Intl.NumberFormat>} */
const FIXED = new Map();

/** @param {number} decimals */
function fixedFormat(decimals) {
  let found = FIXED.get(decimals);
  if (found === undefined) {
    found = new Intl.NumberFormat("en-IN", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    FIXED.set(decimals, found);
  }
  return found;
}

/**
 * Format a number with this many decimals, in Indian grouping.
 * @param {number | null} value
 * @param {number} decimals
 */
export function formatFixed(value, decimals) {
  if (value === null) {
    return UNKNOWN;
  }
  const digits = fixedFormat(decimals).format(Math.abs(value));
  // What rounds to zero has no sign.
  return Number(value.toFixed(decimals)) < 0 ? `−${digits}` : digits;
}

/**
 * Format the change of a count as `formatCompact`, with its sign.
 * @param {number | null} change
 */
export function formatCompactChange(change) {
  return change === null ? UNKNOWN : `${signOf(change)}${formatCompact(Math.abs(change))}`;
}

/** @param {number | null} change */
export function formatChange(change) {
  if (change === null) {
    return UNKNOWN;
  }
  return `${signOf(change)}${TWO_DECIMALS.format(Math.abs(change))}`;
}

/** @param {number | null} percent */
export function formatPercent(percent) {
  return percent === null ? UNKNOWN : `${signOf(percent)}${Math.abs(percent).toFixed(2)}%`;
}

/** @param {number} value */
function signOf(value) {
  // U+2212, the minus sign: as wide as a plus, so that columns of changes align.
  return value > 0 ? "+" : value < 0 ? "−" : "";
}

/**
 * Return the direction of a change, for styles and arrows: color alone would exclude color-blind traders (WCAG 1.4.1).
 * @param {number | null} change
 * @returns {"up" | "down" | "flat"}
 */
export function directionOf(change) {
  return change === null || change === 0 ? "flat" : change > 0 ? "up" : "down";
}

export const ARROWS = Object.freeze({ up: "▲", down: "▼", flat: "" });

/** @param {string | number} strike */
export function formatStrike(strike) {
  return STRIKE.format(Number(strike));
}

/**
 * Format an age with a resolution that falls as the age grows: tenths, seconds, minutes, hours.
 * @param {number} ms
 */
export function formatAge(ms) {
  if (ms < 10_000) {
    return `${(Math.max(0, ms) / 1_000).toFixed(1)} s`;
  }
  if (ms < 120_000) {
    return `${Math.round(ms / 1_000)} s`;
  }
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

const DAY = new Intl.DateTimeFormat("en-IN", { day: "numeric", month: "short", timeZone: "UTC" });

/**
 * Format an ISO date as 24 Nov, or as 5 Jan ’27 in another year: without the apostrophe it would read as a time.
 * @param {string} isoDate
 * @param {number} [thisYear]
 */
export function formatExpiry(isoDate, thisYear = new Date().getFullYear()) {
  const day = new Date(`${isoDate}T00:00:00Z`);
  const year = day.getUTCFullYear() === thisYear ? "" : ` ’${isoDate.slice(2, 4)}`;
  return DAY.format(day) + year;
}

const DAY_IN_INDIA = new Intl.DateTimeFormat("en-IN", { day: "numeric", month: "short", timeZone: "Asia/Kolkata" });

/**
 * Format the date in India at this time, in any time zone of the browser.
 * @param {number} epochMs
 */
export function formatDay(epochMs) {
  return DAY_IN_INDIA.format(epochMs);
}

const TIME_IN_INDIA = new Intl.DateTimeFormat("en-IN", {
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
  timeZone: "Asia/Kolkata",
});

/**
 * Format the time of day in India, as all market times on the screen.
 * @param {number} epochMs
 */
export function formatTime(epochMs) {
  return TIME_IN_INDIA.format(epochMs);
}

const TIME_WITH_SECONDS = new Intl.DateTimeFormat("en-IN", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
  timeZone: "Asia/Kolkata",
});

/** @param {number} epochMs */
export function formatTimeWithSeconds(epochMs) {
  return TIME_WITH_SECONDS.format(epochMs);
}

const WEEKDAY_IN_INDIA = new Intl.DateTimeFormat("en-IN", { weekday: "short", timeZone: "Asia/Kolkata" });

/**
 * Format a time of the next days: Mon 09:15.
 * @param {number} epochMs
 */
export function formatWeekdayTime(epochMs) {
  return `${WEEKDAY_IN_INDIA.format(epochMs)} ${formatTime(epochMs)}`;
}

/**
 * Format the time until an event, in two units at most: 2 d 20 h, 3 h 12, 12 min.
 * @param {number} ms  Rounded up to the minute: at 0 min the event is over.
 */
export function formatCountdown(ms) {
  const minutes = Math.max(0, Math.ceil(ms / 60_000));
  const hours = Math.floor(minutes / 60);
  if (hours >= 24) {
    return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  }
  return hours > 0 ? `${hours} h ${String(minutes % 60).padStart(2, "0")}` : `${minutes} min`;
}

/** @param {number} days */
export function formatDaysLeft(days) {
  return days === 0 ? "today" : `${days}d`;
}

/**
 * Format a last traded time. The broker counts the seconds of the IST wall clock as if it were UTC.
 * @param {number | null} ltt
 */
export function formatTradeTime(ltt) {
  // The broker sends 0 or a date of 1980 for an instrument that never traded.
  return ltt === null || ltt < 1_000_000_000 ? UNKNOWN : new Date(ltt * 1_000).toISOString().slice(11, 19);
}
