import type { Metrics } from '../../ports/metrics.ts';

/** Upper bounds of duration buckets in seconds; from a local model's first token to a long reasoning answer. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300] as const;
/** Label combinations kept; more are counted together, so that labels can never grow the memory. */
const MAX_SERIES = 2000;

interface Histogram {
  readonly buckets: Float64Array;
  sum: number;
  count: number;
}

function formatLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(
      ([name, value]) =>
        `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`,
    )
    .join(',');
}

/** Own counters and histograms: a scrape formats them, the hot path only adds (PERFORMANCE §"Rules", 7). */
export function createMemoryMetrics(): Metrics {
  const counters = new Map<string, Map<string, number>>();
  const histograms = new Map<string, Map<string, Histogram>>();
  /** Texts of label sets met before, by their plain values: the same few come with every request. */
  const texts = new Map<string, string>();
  /** The same by the object, for callers that keep theirs: those are frozen. */
  const known = new WeakMap<Readonly<Record<string, string>>, string>();

  function labelText(labels: Readonly<Record<string, string>>): string {
    const found = known.get(labels);
    if (found !== undefined) return found;
    let key = '';
    for (const name in labels) key += `${name}\u0000${labels[name]}\u0000`;
    let text = texts.get(key);
    if (text === undefined) {
      text = formatLabels(labels);
      if (texts.size < MAX_SERIES) texts.set(key, text);
    }
    if (Object.isFrozen(labels)) known.set(labels, text);
    return text;
  }

  const gauges = new Map<string, Parameters<Metrics['gauge']>[1]>();

  function series<T>(
    all: Map<string, Map<string, T>>,
    name: string,
    key: string,
  ): { of: Map<string, T>; key: string } {
    let of = all.get(name);
    if (of === undefined) {
      of = new Map();
      all.set(name, of);
    }
    return { of, key: of.has(key) || of.size < MAX_SERIES ? key : 'overflow="true"' };
  }

  return {
    count(name, labels) {
      const { of, key } = series(counters, name, labelText(labels));
      of.set(key, (of.get(key) ?? 0) + 1);
    },
    observe(name, labels, seconds) {
      const { of, key } = series(histograms, name, labelText(labels));
      let histogram = of.get(key);
      if (histogram === undefined) {
        histogram = { buckets: new Float64Array(BOUNDS.length), sum: 0, count: 0 };
        of.set(key, histogram);
      }
      const at = BOUNDS.findIndex((bound) => seconds <= bound);
      if (at >= 0) histogram.buckets[at] = (histogram.buckets[at] ?? 0) + 1;
      histogram.sum += seconds;
      histogram.count++;
    },
    gauge(name, read) {
      gauges.set(name, read);
    },
    render() {
      const lines: string[] = [];
      for (const [name, read] of gauges) {
        lines.push(`# TYPE ${name} gauge`);
        for (const { labels, value } of read().slice(0, MAX_SERIES)) {
          lines.push(`${name}{${labelText(labels)}} ${value}`);
        }
      }
      for (const [name, of] of counters) {
        lines.push(`# TYPE ${name} counter`);
        for (const [key, value] of of) lines.push(`${name}{${key}} ${value}`);
      }
      for (const [name, of] of histograms) {
        lines.push(`# TYPE ${name} histogram`);
        for (const [key, histogram] of of) {
          let below = 0;
          for (const [index, bound] of BOUNDS.entries()) {
            below += histogram.buckets[index] ?? 0;
            lines.push(`${name}_bucket{${key},le="${bound}"} ${below}`);
          }
          lines.push(`${name}_bucket{${key},le="+Inf"} ${histogram.count}`);
          lines.push(`${name}_sum{${key}} ${histogram.sum}`, `${name}_count{${key}} ${histogram.count}`);
        }
      }
      return `${lines.join('\n')}\n`;
    },
  };
}
