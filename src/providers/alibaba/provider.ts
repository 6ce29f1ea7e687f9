import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const alibaba: Provider = openaiLike({
  id: 'alibaba',
  name: 'Alibaba Cloud Model Studio',
  env: ['DASHSCOPE_API_KEY'],
  baseUrl: 'https://dashscope-intl.aliyuncs.com/compatible-mode/v1',
  serves: ['embeddings'],
  quirks: { reasoningReplay: 'reasoning_content' },
  console: 'https://modelstudio.console.alibabacloud.com',
});
