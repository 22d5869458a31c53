// Every plug-in by name, systems, workloads and nemeses in plugins.ts. What is not named does not exist for
// `chaos`.
import { brokerCheckers, coordinatorCheckers, outsideCheckers } from '../checkers/index.ts';
import { mutants } from '../mutants/index.ts';
import { renderHtml } from '../reports/html/render.ts';
import { renderSummary } from '../reports/terminal.ts';
import { chooseCluster, clusterDrivers } from './clusters/index.ts';
import { nemeses, systems, workloads } from './plugins.ts';
import type { Registry } from './registry-types.ts';

export const registry: Registry = {
  systems,
  workloads,
  nemeses,
  mutants,
  drivers: clusterDrivers,
  systemCheckers: {
    coordinator: coordinatorCheckers,
    broker: brokerCheckers,
    zookeeper: outsideCheckers,
  },
  chooseCluster,
  renderHtml,
  renderSummary,
};
