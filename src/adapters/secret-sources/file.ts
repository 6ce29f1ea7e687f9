import { open } from 'node:fs/promises';
import type { SecretSource } from '../../ports/secret-source.ts';
import { pick, storeFault } from './ask.ts';

const MAX_BYTES = 64 * 1024;

async function readSmall(path: string): Promise<string> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw storeFault(`The file of a secret cannot be read (${error.code ?? 'unknown'}).`);
  });
  try {
    const facts = await file.stat();
    if (!facts.isFile() || facts.size > MAX_BYTES)
      throw storeFault('What should hold a secret is no small file.');
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** Secrets in files, as Docker and Kubernetes mount them: `file:/run/secrets/openai`. Line breaks at the end are cut off. */
export function createFileSource(): SecretSource {
  return {
    async read({ path, field }) {
      const text = (await readSmall(path)).replace(/[\r\n]+$/, '');
      return pick(text, field, 'The file of a secret');
    },
  };
}
