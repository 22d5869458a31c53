// Finds things by the names that people type, and answers a wrong name with the right ones.
import { closest, distance } from 'fastest-levenshtein';

/** Something the user asked for that cannot be: exit code 254, before anything starts. */
export class BadArguments extends Error {}

/** The names closest to what was typed, or nothing if none is close. */
export function suggestion(given: string, known: readonly string[]): string {
  if (known.length === 0) return '';
  const nearest = closest(given, known);
  const near = distance(given, nearest) <= Math.max(2, Math.floor(nearest.length / 3));
  return near ? `; did you mean ${nearest}?` : '';
}

/** The entry of that name. Throws BadArguments with the known names when there is none. */
export function lookUp<T>(
  what: string,
  given: string,
  entries: readonly T[],
  nameOf: (entry: T) => string,
): T {
  const found = entries.find((entry) => nameOf(entry) === given);
  if (found !== undefined) return found;
  const known = entries.map(nameOf);
  const hint = suggestion(given, known);
  const available = known.length === 0 ? 'there are none' : `known: ${known.join(', ')}`;
  throw new BadArguments(`unknown ${what} "${given}"${hint || ';'} ${available}`);
}
