import type { Reporter, TestCase } from 'vitest/node';

/** More than the odd one is no accident of the machine. */
const MOST = 3;

/** Names the tests that passed only at their second go, so that none of them is taken for a sound one; too many fail the run. */
export class SecondGoes implements Reporter {
  readonly #names: string[] = [];

  onTestCaseResult(test: TestCase): void {
    const { retryCount = 0 } = test.diagnostic() ?? {};
    if (retryCount > 0 && test.ok()) this.#names.push(`${test.module.relativeModuleId} > ${test.fullName}`);
  }

  onTestRunEnd(): void {
    for (const name of this.#names) process.stdout.write(`second go: ${name}\n`);
    if (this.#names.length <= MOST) return;
    process.stdout.write(`${this.#names.length} tests needed a second go; more than ${MOST} fail the run.\n`);
    process.exitCode = 1;
  }
}
