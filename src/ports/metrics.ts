/** Counters and histograms kept in memory and read on scrape. */
export interface Metrics {
  /** Adds one. Labels are a small fixed set of values: never ids or text of clients. */
  count(name: string, labels: Readonly<Record<string, string>>): void;
  /** Records a duration in seconds. */
  observe(name: string, labels: Readonly<Record<string, string>>, seconds: number): void;
  /** Everything so far in the Prometheus text format 0.0.4. */
  render(): string;
}
