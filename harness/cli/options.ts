// Reads numbers, lengths of time and names from the command line, each within its range.
// A value outside says what was expected, and nothing has started then.
import { BadArguments } from '../names.ts';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const TIME_LIMIT_MS = { min: 1_000, max: 24 * 3_600_000 };
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Parses a whole number between `min` and `max`. */
export function wholeNumber(option: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw new BadArguments(
      `expected ${option} to be a whole number from ${min} to ${max}, got "${text}"`,
    );
  };
}

/** Parses a length of time of 1s to 24h, in ms. */
export function duration(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const ms = match === null ? Number.NaN : Math.round(Number(match[1]) * UNIT_MS[match[2]!]!);
  if (ms >= TIME_LIMIT_MS.min && ms <= TIME_LIMIT_MS.max) return ms;
  throw new BadArguments(
    `expected ${option} to be 1s to 24h, as a number with ms, s, m or h, got "${text}"`,
  );
}

/** Parses a length of the fault phase, in ms. */
export function timeLimit(text: string): number {
  return duration('--time-limit', text);
}

/** Parses a run's name, which becomes a folder. */
export function runName(text: string): string {
  if (NAME.test(text) && text !== 'latest') return text;
  throw new BadArguments(
    `expected --name to be 1 to 64 letters, digits, dots, dashes and underscores, beginning with ` +
      `a letter or digit, and not "latest"; got "${text}"`,
  );
}
