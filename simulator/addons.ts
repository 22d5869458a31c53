// Native addons that a simulated program may load: those that the caller named as pure and synchronous. Any
// other one is refused by name, since what it does nobody can see.
import { createRequire } from 'node:module';
import { refused } from './errors.ts';

/** How a bundle asks for an addon: this and its path on the real disk. */
export const ADDON_PREFIX = 'simulated-addon:';

/** The addons that one simulation allows. */
export class Addons {
  readonly #allowed: readonly string[];

  /** Names of packages (`snappy`, `@scope/name`) or paths of `.node` files. */
  constructor(allowed: readonly string[]) {
    this.#allowed = allowed;
  }

  /** Undefined when the specifier is no addon. @throws ERR_SIMULATOR_REFUSED when it is not allowed. */
  load(specifier: string): unknown {
    if (!specifier.startsWith(ADDON_PREFIX)) return undefined;
    const file = specifier.slice(ADDON_PREFIX.length);
    const allowed = this.#allowed.some(
      (each) => each === file || file.includes(`/node_modules/${each}/`),
    );
    if (!allowed) {
      const { name } = /\/node_modules\/(?<name>(?:@[^/]+\/)?[^/]+)\//.exec(file)?.groups ?? {};
      throw refused(
        `the native addon of ${name ?? file}`,
        `if it is pure and synchronous, name it in simulate({ addons: [${JSON.stringify(name ?? file)}] })`,
      );
    }
    return createRequire(file)(file) as unknown;
  }
}

export const NO_ADDONS = new Addons([]);
