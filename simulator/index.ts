// The simulator: a deterministic Node in which several programs run against each other in virtual time,
// on simulated machines, network and disks, so that a failure is repeated exactly from its seed.
export { loadProgram, type Program, type ProgramOptions, type ProgramSource } from './bundle.ts';
export type { ClockSkew } from './clock.ts';
export { type HostInterface, ProcessDeath, type RandomStream, type Scheduled } from './host.ts';
export type { CrashPoint, Exit } from './life.ts';
export type { LinkOptions, Network, NetworkOptions } from './network.ts';
export type { OutputLine, ProcessOptions, SimulatedProcess } from './process.ts';
export {
  type RunLimit,
  type Simulation,
  type SimulationOptions,
  simulate,
  type TraceSummary,
} from './simulation.ts';
export { type Checkpoint, firstDifference, type TraceOptions } from './trace.ts';
