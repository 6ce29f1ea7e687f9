// The official Anthropic SDK through Sluice, answered by whichever provider serves the model.
//   node examples/anthropic-sdk.mjs         (a running gateway: npm start)
import Anthropic from '@anthropic-ai/sdk';

const client = new Anthropic({
  baseURL: process.env.SLUICE_URL ?? 'http://127.0.0.1:4100',
  apiKey: process.env.SLUICE_KEY ?? 'not-needed-in-open-mode',
});

const message = await client.messages.create({
  model: process.env.SLUICE_MODEL ?? 'sim/gemini',
  max_tokens: 200,
  tools: [
    {
      name: 'get_weather',
      description: 'The weather in a city',
      input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  ],
  messages: [{ role: 'user', content: 'What is the weather in Lisbon?' }],
});
console.log(JSON.stringify(message.content, null, 2));
