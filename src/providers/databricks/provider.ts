import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

/** The base URL is the workspace, `https://NAME.cloud.databricks.com`. */
export const databricks: Provider = openaiLike({
  id: 'databricks',
  name: 'Databricks',
  env: ['DATABRICKS_TOKEN'],
  baseUrl: undefined,
  baseUrlEnv: 'DATABRICKS_HOST',
  prefix: '/serving-endpoints',
  serves: ['completions', 'embeddings'],
  keyPrefix: 'dapi',
  console: 'https://accounts.cloud.databricks.com',
});
