// Judges brokers' registrations: the node that says that a broker lives is that of its own session. One of another
// session vanishes with that, and the broker goes on without anybody knowing of it (I-K12, KAFKA-7165).
import type { BrokerNodeEvent } from '../../history/broker-event.ts';
import { type Findings, nameEvent } from '../evidence.ts';
import type { BrokerEventOf } from './replica-log.ts';

/** A registration's epoch is the transaction that made it: one session did, and is the only one to have it. */
export function registrations(events: readonly BrokerNodeEvent[], findings: Findings): void {
  const made = new Map<number, BrokerEventOf<'registered'>>();
  for (const event of events) {
    if (event.ev !== 'registered') continue;
    findings.count('registrations');
    const first = made.get(event.epoch);
    if (first === undefined) {
      made.set(event.epoch, event);
      continue;
    }
    if (first.session === event.session && first.broker === event.broker) continue;
    const why =
      `Broker ${event.broker} takes the registration of epoch ${event.epoch} for its own in session ` +
      `${event.session} (${nameEvent(event)}), but broker ${first.broker} made it in session ${first.session} ` +
      `(${nameEvent(first)}).`;
    findings.addNodeAnomaly('registration-of-another-session', why, [first, event]);
  }
}
