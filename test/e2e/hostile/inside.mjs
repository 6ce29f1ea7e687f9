// Loaded into the gateway's process by the test: notes the longest turn of the event loop in CPU time of the main thread,
// which other processes on the machine cannot lengthen, and on SIGUSR2 collects garbage and writes down what is in use.
import { writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

const file = process.env.HOSTILE_REPORT;
const TICK_MS = 5;

if (isMainThread && file !== undefined) {
  let longestMs = 0;
  let ticks = 0;
  let before = process.threadCpuUsage();
  setInterval(() => {
    const now = process.threadCpuUsage();
    longestMs = Math.max(longestMs, (now.user + now.system - before.user - before.system) / 1000);
    before = now;
    ticks++;
  }, TICK_MS).unref();
  process.on('SIGUSR2', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc');
    collect();
    collect();
    const { heapUsed, external } = process.memoryUsage();
    writeFileSync(file, JSON.stringify({ pid: process.pid, longestMs, ticks, heapUsed, external }));
    // Start-up and collections on demand are not what is measured.
    longestMs = 0;
    before = process.threadCpuUsage();
  });
}
