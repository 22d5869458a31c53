// All planted bugs, by id. Each is a file of its own, named explicitly here.
import type { Mutant } from './mutant.ts';
import { z29 } from './z29.ts';
import { z56 } from './z56.ts';

export const mutants: readonly Mutant[] = [z29, z56];
