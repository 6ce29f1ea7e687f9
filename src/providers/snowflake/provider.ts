import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

/** The base URL is the account, `https://ACCOUNT.snowflakecomputing.com`. */
export const snowflake: Provider = openaiLike({
  id: 'snowflake',
  name: 'Snowflake Cortex',
  env: ['SNOWFLAKE_PAT', 'SNOWFLAKE_JWT'],
  baseUrl: undefined,
  prefix: '/api/v2/cortex/v1',
  // No finish reason, neither streamed nor whole, and empty ids.
  quirks: {
    maxTokensField: 'max_completion_tokens',
    finishReason: 'absent',
    repairStream: true,
    repairWhole: true,
  },
  console: 'https://app.snowflake.com',
});
