// What questions about spend and pages of the log cost. Fills a temporary database through the ledger's own writer.
// Run: node scripts/measure-analytics.mjs [--rows 5000000] [--days 40] [--directory DIR] [--rounds 5] [--fill-only]
// `--directory` keeps the database, and measures again without filling when it is there.
import './measure-analytics/run.ts';
