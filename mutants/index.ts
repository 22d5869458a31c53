// All planted bugs, by id. Each is a file of its own, named explicitly here.
import { k01 } from './k01.ts';
import { k06 } from './k06.ts';
import { k08 } from './k08.ts';
import { k09 } from './k09.ts';
import { k10 } from './k10.ts';
import { k11 } from './k11.ts';
import { k12 } from './k12.ts';
import { k18 } from './k18.ts';
import { k30 } from './k30.ts';
import { k33 } from './k33.ts';
import { k40 } from './k40.ts';
import { k51 } from './k51.ts';
import type { Mutant } from './mutant.ts';
import { z01 } from './z01.ts';
import { z02 } from './z02.ts';
import { z03 } from './z03.ts';
import { z04 } from './z04.ts';
import { z06 } from './z06.ts';
import { z07 } from './z07.ts';
import { z09 } from './z09.ts';
import { z10 } from './z10.ts';
import { z11 } from './z11.ts';
import { z12 } from './z12.ts';
import { z13 } from './z13.ts';
import { z14 } from './z14.ts';
import { z16 } from './z16.ts';
import { z18 } from './z18.ts';
import { z19 } from './z19.ts';
import { z20 } from './z20.ts';
import { z21 } from './z21.ts';
import { z23 } from './z23.ts';
import { z24 } from './z24.ts';
import { z25 } from './z25.ts';
import { z27 } from './z27.ts';
import { z28 } from './z28.ts';
import { z29 } from './z29.ts';
import { z31 } from './z31.ts';
import { z32 } from './z32.ts';
import { z33 } from './z33.ts';
import { z35 } from './z35.ts';
import { z40 } from './z40.ts';
import { z41 } from './z41.ts';
import { z43 } from './z43.ts';
import { z45 } from './z45.ts';
import { z47 } from './z47.ts';
import { z49 } from './z49.ts';
import { z50 } from './z50.ts';
import { z51 } from './z51.ts';
import { z52 } from './z52.ts';
import { z54 } from './z54.ts';
import { z55 } from './z55.ts';
import { z56 } from './z56.ts';

export const mutants: readonly Mutant[] = [
  z01,
  z02,
  z03,
  z04,
  z06,
  z07,
  z09,
  z10,
  z11,
  z12,
  z13,
  z14,
  z16,
  z18,
  z19,
  z20,
  z21,
  z23,
  z24,
  z25,
  z27,
  z28,
  z29,
  z31,
  z32,
  z33,
  z35,
  z40,
  z41,
  z43,
  z45,
  z47,
  z49,
  z50,
  z51,
  z52,
  z54,
  z55,
  z56,
  k01,
  k06,
  k08,
  k09,
  k10,
  k11,
  k12,
  k18,
  k30,
  k33,
  k40,
  k51,
];
