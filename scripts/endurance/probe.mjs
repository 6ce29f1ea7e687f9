// Preloaded into the gateway under test (`node --import`): tells over the message channel what only the process itself knows.
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

const RESOLUTION_MS = 10;

function collect() {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

/** Open handles by kind: sockets, timers, watchers. */
function handles() {
  const counts = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

function watch() {
  const lag = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  lag.enable();
  const pauses = { count: 0, ms: 0, longestMs: 0 };
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      pauses.count++;
      pauses.ms += duration;
      pauses.longestMs = Math.max(pauses.longestMs, duration);
    }
  }).observe({ entryTypes: ['gc'] });
  let rejections = 0;
  process.on('unhandledRejection', (reason) => {
    rejections++;
    process.stderr.write(`unhandled rejection: ${reason?.stack ?? reason}\n`);
  });
  // The histogram holds whole intervals of its timer; what is above the timer's own is lag.
  const lagMs = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  const tell = () => ({
    lag: { p50: lagMs(lag.percentile(50)), p99: lagMs(lag.percentile(99)), max: lagMs(lag.max) },
    gc: { ...pauses },
    rejections,
    handles: handles(),
    memory: process.memoryUsage(),
  });
  process.on('message', (asked) => {
    if (asked.collect) collect();
    process.send(tell());
    if (!asked.forget) return;
    lag.reset();
    Object.assign(pauses, { count: 0, ms: 0, longestMs: 0 });
  });
  process.channel?.unref();
}

// Worker threads are given the same preloads.
if (isMainThread && process.send !== undefined) watch();
