import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const zhipu: Provider = openaiLike({
  id: 'zhipu',
  name: 'Zhipu AI (BigModel)',
  env: ['ZHIPUAI_API_KEY'],
  baseUrl: 'https://open.bigmodel.cn/api/paas/v4',
  serves: ['embeddings', 'images', 'transcriptions'],
  quirks: { reasoningReplay: 'reasoning_content', reasoningRequest: 'thinking' },
  catalogId: 'zhipuai',
  console: 'https://open.bigmodel.cn/usercenter/apikeys',
});
