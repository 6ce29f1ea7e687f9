import { describe, expect, it } from 'vitest';
import { Circuit, type CircuitPolicy } from './circuit.ts';

const POLICY: CircuitPolicy = {
  failures: 5,
  failurePercent: 50,
  minRequests: 20,
  windowMs: 10_000,
  openMs: 30_000,
  maxOpenMs: 300_000,
};

/** A call that fails, from begin to end. */
function fail(circuit: Circuit, now: number): boolean {
  return circuit.failed(circuit.begin(now), now);
}

function answer(circuit: Circuit, now: number): void {
  circuit.answered(circuit.begin(now), now);
  circuit.succeeded(now);
}

function opened(): Circuit {
  const circuit = new Circuit(POLICY);
  for (let n = 0; n < 5; n++) fail(circuit, 1000);
  return circuit;
}

describe('circuit (R7)', () => {
  it('opens with the fifth failure in a row, not with the fourth, and a success begins anew', () => {
    const circuit = new Circuit(POLICY);
    for (let n = 0; n < 4; n++) expect(fail(circuit, 0)).toBe(false);
    expect(circuit.state(0)).toBe('closed');
    answer(circuit, 0);
    for (let n = 0; n < 4; n++) expect(fail(circuit, 0)).toBe(false);
    expect(fail(circuit, 0)).toBe(true);
    expect(circuit.state(0)).toBe('open');
    expect(circuit.admits(0)).toBe(false);
  });

  it('opens when half of at least 20 outcomes in the window failed', () => {
    const circuit = new Circuit(POLICY);
    for (let n = 0; n < 9; n++) {
      answer(circuit, 0);
      expect(fail(circuit, 0)).toBe(false);
    }
    answer(circuit, 0);
    expect(fail(circuit, 0)).toBe(true);
  });

  it('forgets outcomes that are older than the window', () => {
    const circuit = new Circuit(POLICY);
    for (let n = 0; n < 9; n++) {
      answer(circuit, 0);
      fail(circuit, 0);
    }
    answer(circuit, 20_000);
    expect(fail(circuit, 20_000)).toBe(false);
  });

  it('admits one probe when its time is over', () => {
    const circuit = opened();
    expect(circuit.state(30_999)).toBe('open');
    expect(circuit.state(31_000)).toBe('half_open');
    expect(circuit.admits(31_000)).toBe(true);
    const probe = circuit.begin(31_000);
    expect(probe).toBe('probe');
    expect(circuit.admits(31_000)).toBe(false);
    circuit.answered(probe, 31_500);
    expect(circuit.state(31_500)).toBe('closed');
  });
});

describe('an open circuit', () => {
  it('opens for n times as long when the probe fails again and again, at most ten times', () => {
    const circuit = opened();
    let now = 1000;
    for (let n = 2; n <= 12; n++) {
      now = circuit.probesAt ?? Number.NaN;
      expect(fail(circuit, now)).toBe(true);
      expect((circuit.probesAt ?? 0) - now).toBe(Math.min(300_000, 30_000 * n));
    }
  });

  it('does not count flapping as recovery: it begins anew only after a long good time', () => {
    const circuit = opened();
    const probe = circuit.begin(31_000);
    circuit.answered(probe, 31_000);
    circuit.succeeded(31_000);
    for (let n = 0; n < 5; n++) fail(circuit, 32_000);
    expect((circuit.probesAt ?? 0) - 32_000).toBe(60_000);
    circuit.answered(circuit.begin(92_000), 92_000);
    for (let n = 0; n < 5; n++) fail(circuit, 500_000);
    expect((circuit.probesAt ?? 0) - 500_000).toBe(30_000);
  });

  it('gives a probe’s place back when the probe proved nothing', () => {
    const circuit = opened();
    circuit.released(circuit.begin(31_000));
    expect(circuit.admits(31_000)).toBe(true);
  });

  it('is closed by an answer that was forced through, and not prolonged by a forced failure', () => {
    const circuit = opened();
    const until = circuit.probesAt;
    expect(circuit.begin(2000)).toBe('forced');
    expect(circuit.failed('forced', 2000)).toBe(false);
    expect(circuit.probesAt).toBe(until);
    circuit.answered('forced', 3000);
    expect(circuit.state(3000)).toBe('closed');
  });

  it('does not let calls from before the opening close or prolong it', () => {
    const circuit = opened();
    const until = circuit.probesAt;
    circuit.succeeded(2000);
    expect(circuit.failed('normal', 2000)).toBe(false);
    expect(circuit.state(2000)).toBe('open');
    expect(circuit.probesAt).toBe(until);
  });
});
