// A planted bug: a small patch of a server's source, applied while bundling and never to the source
// itself. Running one shows that the checkers see what they are there to see.

/** One replacement in one file. */
export interface Patch {
  /** From the project's root, with forward slashes. */
  file: string;
  /** Exact text, which must occur exactly once: a patch that fits nowhere or twice is refused. */
  find: string;
  replace: string;
}

export interface Mutant {
  /** As in the catalogue: `Z29`. */
  id: string;
  title: string;
  /** The publication or ticket that the bug was seen in. */
  source: string;
  /** The guarantee that must be found broken. */
  guarantee: string;
  /** Checkers that see that guarantee broken; another's word alone does not count as found. */
  seenBy: readonly string[];
  /** What else in the server would hide the bug and is patched too; empty when nothing does. */
  masks: string;
  /**
   * What shows, apart from any search, that the patched code is reached and does otherwise: a test, or
   * the scenario that the planted server fails and the clean one passes.
   */
  witness: string;
  patches: Patch[];
}
