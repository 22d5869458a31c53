// K30: The controller writes without a check of the controllers' epoch. One that stood still while another was elected
// goes on giving partitions their leaders.
import type { Mutant } from './mutant.ts';

export const k30: Mutant = {
  id: 'K30',
  title: 'a deposed controller goes on writing',
  source: 'KAFKA-6082, KAFKA-3083',
  guarantee: 'every stored state names the controller epoch that was current when it was written',
  seenBy: ['partition-states'],
  masks:
    `the end of the tenure with the session that it began in, the tenure's own connection, and each ` +
    'look at who /controller names; all patched too',
  witness: 'test/witnesses/controller.test.ts',
  patches: [
    {
      file: 'broker/controller/tenure.ts',
      find: '{ type: Op.check, path: CONTROLLER_EPOCH, version };',
      replace: '{ type: Op.check, path: CONTROLLER_EPOCH, version: -1 };',
    },
    {
      file: 'broker/controller/controller.ts',
      find: `      if (epoch === undefined) this.#resign('the session ended');
      else this.#kick();
`,
      replace: `      if (epoch !== undefined) this.#kick();
`,
    },
    {
      file: 'broker/controller/controller.ts',
      find: `    this.#tenure = tenure;
    events.emit`,
      replace: `    this.#tenure = {
      ...tenure,
      get client() {
        return session.client;
      },
    };
    events.emit`,
    },
    {
      file: 'broker/controller/controller.ts',
      find: `    if (controller?.id !== brokerId || controller.epoch !== tenure.epoch) {
`,
      replace: `    if (brokerId < 0) {
`,
    },
  ],
};
