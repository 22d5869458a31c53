// The end of a turn of the event loop, when what was said in it leaves. One place for all of a server,
// so that its links and connections are flushed together, behind one write of the event log.

const due: (() => void)[] = [];

/**
 * Runs `fn` when this turn of the event loop is over, after everything asked for before it. What `fn`
 * asks for in its turn still belongs to this one. One that throws does not keep back the others.
 */
export function atTurnEnd(fn: () => void): void {
  if (due.push(fn) === 1) setImmediate(runDue);
}

function runDue(): void {
  let done = 0;
  try {
    while (done < due.length) due[done++]?.();
  } finally {
    due.splice(0, done);
    if (due.length > 0) setImmediate(runDue);
  }
}
