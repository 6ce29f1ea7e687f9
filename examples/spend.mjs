// What was spent, by model, from the admin API.
//   SLUICE_ADMIN_KEY=… node examples/spend.mjs
const url = process.env.SLUICE_URL ?? 'http://127.0.0.1:4100';
const answer = await fetch(`${url}/api/usage?group_by=model`, {
  headers: { authorization: `Bearer ${process.env.SLUICE_ADMIN_KEY}` },
});
const { data } = await answer.json();
for (const row of data) console.log(`${row.group.model}\t${row.requests} requests\t$${row.cost_usd}`);
