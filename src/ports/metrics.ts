/** Counters and histograms kept in memory and read on scrape. */
export interface Metrics {
  /** Adds one. Labels are a small fixed set of values: never ids or text of clients. */
  count(name: string, labels: Readonly<Record<string, string>>): void;
  /** Records a duration in seconds. */
  observe(name: string, labels: Readonly<Record<string, string>>, seconds: number): void;
  /** A value read at every scrape, one a label set; replaces an earlier reader of the same name. */
  gauge(
    name: string,
    read: () => readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[],
  ): void;
  /** Everything so far in the Prometheus text format 0.0.4. */
  render(): string;
}
