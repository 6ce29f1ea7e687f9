import type { Reporter, TestCase } from 'vitest/node';

/** Names the tests that passed only at their second go, so that none of them is taken for a sound one. */
export class SecondGoes implements Reporter {
  readonly #names: string[] = [];

  onTestCaseResult(test: TestCase): void {
    const { retryCount = 0 } = test.diagnostic() ?? {};
    if (retryCount > 0 && test.ok()) this.#names.push(`${test.module.relativeModuleId} > ${test.fullName}`);
  }

  onTestRunEnd(): void {
    for (const name of this.#names) process.stdout.write(`second go: ${name}\n`);
  }
}
