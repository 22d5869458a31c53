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
        {
          system: 'coordinator',
          workload: ['register', 'ephemeral', 'watch'],
          nemesis: ['partition-leader', 'kill-all', 'pause-leader'],
          cluster: 'sim',
          timeLimit: '15s',
        },
        {
          system: 'coordinator',
          workload: 'register',
          nemesis: 'partition-leader',
          cluster: 'local',
          timeLimit: '8s',
        },
      ],
    },
    // Every night, sharded: containers and processes, and the simulator in what time is left between them.
    nightly: {
      budget: '45m',
      matrix: [
        { swarm: 'coordinator', seeds: 60 },
        {
          system: 'coordinator',
          workload: ['register', 'ephemeral', 'watch', 'sequence', 'bank', 'lock', 'election'],
          nemesis: [
            'partition-leader',
            'partition-ring',
            'kill-leader',
            'kill-all',
            'pause-leader',
          ],
          cluster: ['docker', 'local'],
          timeLimit: '15s',
        },
        {
          system: 'coordinator',
          workload: 'register',
          nemesis: ['partition-halves', 'partition-one', 'kill-random', 'none'],
          cluster: ['docker', 'local'],
          nodes: 5,
          timeLimit: '15s',
        },
        {
          system: 'coordinator',
          workload: ['config', 'naming', 'service-discovery', 'register'],
          nemesis: ['partition-leader', 'kill-all', 'amn'],
          cluster: 'sim',
          timeLimit: '30s',
        },
        {
          system: 'broker',
          workload: ['log', 'group', 'idempotent'],
          nemesis: ['kill-leader', 'partition-leader', 'pause-leader'],
          cluster: 'local',
          timeLimit: '15s',
        },
      ],
    },
  },
});
