// What `chaos gate` runs: systems × workloads × nemeses × clusters × seeds, by profile. Rows are multiplied
// out, and run round after round with new seeds until the budget is spent.
import { defineConfig } from './harness/gate/config.ts';

export default defineConfig({
  profiles: {
    // Every pull request: the simulator, and one short run on real processes. Needs nothing but npm.
    pr: {
      budget: '8m',
      matrix: [
        { swarm: 'coordinator', seeds: 12 },
        { swarm: 'stack', seeds: 12 },
        {
          system: 'stack',
          workload: ['register+log', 'register+group', 'register+idempotent'],
          nemesis: ['partition-leader', 'kill-all', 'isolate-controller'],
          cluster: 'sim',
          // After kill-all the stack takes six seconds to serve again: a shorter one leaves little to judge.
          timeLimit: '25s',
        },
        {
          system: 'coordinator',
          workload: ['register', 'ephemeral', 'watch'],
          nemesis: ['partition-leader', 'kill-all', 'pause-leader'],
          cluster: 'sim',
        },
        {
          system: 'stack',
          nemesis: 'partition-leader',
          cluster: 'local',
          timeLimit: '15s',
        },
      ],
    },
    // Every night, in shards: containers, processes and the simulator, in turn.
    nightly: {
      budget: '45m',
      matrix: [
        { swarm: 'coordinator', seeds: 120 },
        { swarm: 'stack', seeds: 120 },
        {
          system: 'stack',
          workload: ['register+log', 'register+group', 'register+idempotent'],
          nemesis: [
            'partition-leader',
            'kill-leader',
            'kill-all',
            'pause-leader',
            'isolate-controller',
            'cut-clients',
            'partition-brokers-from-coordinator',
          ],
          cluster: ['docker', 'local', 'sim'],
          timeLimit: '25s',
        },
        {
          system: 'coordinator',
          workload: ['ephemeral', 'watch', 'sequence', 'bank', 'lock', 'election'],
          nemesis: ['partition-leader', 'partition-ring', 'kill-all', 'pause-leader'],
          cluster: ['docker', 'local'],
          timeLimit: '15s',
        },
        {
          system: 'coordinator',
          workload: ['config', 'naming', 'service-discovery', 'register'],
          nemesis: ['partition-halves', 'partition-one', 'kill-random', 'amn'],
          cluster: ['sim', 'local'],
          nodes: 5,
          timeLimit: '15s',
        },
      ],
    },
  },
});
