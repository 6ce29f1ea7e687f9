import { open, readFile, rename } from 'node:fs/promises';
import type { HeadKeeper } from '../../ports/audit-store.ts';

/** Keeps a short text in a file of its own, replaced in one step. */
export function createHeadFile(path: string): HeadKeeper {
  return {
    async read() {
      try {
        return await readFile(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async write(text) {
      const temporary = `${path}.${process.pid}`;
      const file = await open(temporary, 'w', 0o600);
      try {
        await file.writeFile(text);
        await file.datasync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    },
  };
}
