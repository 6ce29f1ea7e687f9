import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

/** Projects whose files wait for processes, browsers, disks or clocks. What fails elsewhere is wrong, and fails the run. */
const MAY_GO_AGAIN = new Set(['real', 'timed']);

/**
 * Tells `npm test` which files failed, as a JSON list of paths in the file that `SLUICE_FAILED_FILES` names. Tells nothing
 * when the run failed for another reason than its tests.
 */
export class SecondGoes implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const note = process.env.SLUICE_FAILED_FILES;
    const failed = modules.filter((module) => !module.ok());
    if (note === undefined || errors.length > 0) return;
    if (!failed.every(({ project }) => MAY_GO_AGAIN.has(project.name))) return;
    writeFileSync(note, JSON.stringify(failed.map(({ relativeModuleId }) => relativeModuleId)));
  }
}
