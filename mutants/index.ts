// All planted bugs, by id. Each is a file of its own, named explicitly here.
import type { Mutant } from './mutant.ts';
import { z01 } from './z01.ts';
import { z03 } from './z03.ts';
import { z04 } from './z04.ts';
import { z09 } from './z09.ts';
import { z11 } from './z11.ts';
import { z13 } from './z13.ts';
import { z19 } from './z19.ts';
import { z21 } from './z21.ts';
import { z24 } from './z24.ts';
import { z25 } from './z25.ts';
import { z29 } from './z29.ts';
import { z31 } from './z31.ts';
import { z40 } from './z40.ts';
import { z45 } from './z45.ts';
import { z54 } from './z54.ts';
import { z55 } from './z55.ts';
import { z56 } from './z56.ts';

export const mutants: readonly Mutant[] = [
  z01,
  z03,
  z04,
  z09,
  z11,
  z13,
  z19,
  z21,
  z24,
  z25,
  z29,
  z31,
  z40,
  z45,
  z54,
  z55,
  z56,
];
