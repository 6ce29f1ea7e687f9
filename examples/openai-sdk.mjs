// The official OpenAI SDK through Sluice: change the base URL, keep the rest.
//   node examples/openai-sdk.mjs            (a running gateway: npm start)
import OpenAI from 'openai';

const client = new OpenAI({
  baseURL: `${process.env.SLUICE_URL ?? 'http://127.0.0.1:4100'}/v1`,
  apiKey: process.env.SLUICE_KEY ?? 'not-needed-in-open-mode',
});

const stream = await client.chat.completions.create({
  model: process.env.SLUICE_MODEL ?? 'sim/claude',
  messages: [{ role: 'user', content: 'Why is the sea salty? Two sentences.' }],
  stream: true,
});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? '');
process.stdout.write('\n');
