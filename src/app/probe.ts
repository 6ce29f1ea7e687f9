import { connect } from 'node:net';

/** Local model servers looked for when nothing is configured: name and usual port. */
const LOCAL = [['ollama', 11_434]] as const;
const PROBE_MS = 150;

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const finish = (found: boolean) => () => {
      socket.destroy();
      resolve(found);
    };
    socket.setTimeout(PROBE_MS, finish(false));
    socket.once('connect', finish(true));
    socket.once('error', finish(false));
  });
}

/** Which local providers answer on their usual port. `SLUICE_NO_PROBE` switches the look-up off. */
export async function probeLocalProviders(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<ReadonlySet<string>> {
  if (environment['SLUICE_NO_PROBE'] !== undefined) return new Set();
  const found = await Promise.all(
    LOCAL.map(async ([name, port]) => ((await answers(port)) ? name : undefined)),
  );
  return new Set(found.filter((name) => name !== undefined));
}
