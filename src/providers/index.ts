import { ai21 } from './ai21/provider.ts';
import { alibaba } from './alibaba/provider.ts';
import { anthropic } from './anthropic/provider.ts';
import { arcee } from './arcee/provider.ts';
import { avian } from './avian/provider.ts';
import { azure } from './azure/provider.ts';
import { azureDeployments } from './azure-deployments/provider.ts';
import { azureFoundry } from './azure-foundry/provider.ts';
import { baseten } from './baseten/provider.ts';
import { bedrock } from './bedrock/provider.ts';
import { bedrockMantle } from './bedrock-mantle/provider.ts';
import { cerebras } from './cerebras/provider.ts';
import { cloudflare } from './cloudflare/provider.ts';
import { cohere } from './cohere/provider.ts';
import { crusoe } from './crusoe/provider.ts';
import { databricks } from './databricks/provider.ts';
import { deepinfra } from './deepinfra/provider.ts';
import { deepseek } from './deepseek/provider.ts';
import { featherless } from './featherless/provider.ts';
import { fireworks } from './fireworks/provider.ts';
import { friendli } from './friendli/provider.ts';
import { gemini } from './gemini/provider.ts';
import { githubModels } from './github-models/provider.ts';
import { gpustack } from './gpustack/provider.ts';
import { groq } from './groq/provider.ts';
import { heroku } from './heroku/provider.ts';
import { huggingface } from './huggingface/provider.ts';
import { hyperbolic } from './hyperbolic/provider.ts';
import { inferenceNet } from './inference-net/provider.ts';
import { jina } from './jina/provider.ts';
import { llamacpp } from './llamacpp/provider.ts';
import { lmstudio } from './lmstudio/provider.ts';
import { minimax } from './minimax/provider.ts';
import { mistral } from './mistral/provider.ts';
import { moonshot } from './moonshot/provider.ts';
import { nebius } from './nebius/provider.ts';
import { novita } from './novita/provider.ts';
import { nscale } from './nscale/provider.ts';
import { nvidia } from './nvidia/provider.ts';
import { ollama } from './ollama/provider.ts';
import { ollamaCloud } from './ollama-cloud/provider.ts';
import { openai } from './openai/provider.ts';
import { openaiCompatible } from './openai-compatible/provider.ts';
import { openrouter } from './openrouter/provider.ts';
import { ovhcloud } from './ovhcloud/provider.ts';
import { parasail } from './parasail/provider.ts';
import { perplexity } from './perplexity/provider.ts';
import type { Provider } from './provider.ts';
import { sambanova } from './sambanova/provider.ts';
import { scaleway } from './scaleway/provider.ts';
import { sglang } from './sglang/provider.ts';
import { siliconflow } from './siliconflow/provider.ts';
import { snowflake } from './snowflake/provider.ts';
import { together } from './together/provider.ts';
import { upstage } from './upstage/provider.ts';
import { venice } from './venice/provider.ts';
import { vercel } from './vercel/provider.ts';
import { vertex } from './vertex/provider.ts';
import { vllm } from './vllm/provider.ts';
import { voyage } from './voyage/provider.ts';
import { writer } from './writer/provider.ts';
import { xai } from './xai/provider.ts';
import { zai } from './zai/provider.ts';
import { zhipu } from './zhipu/provider.ts';

/** Every vendor we know, in alphabetical order. A new one is its folder, an import above and a name below. */
const ALL: readonly Provider[] = [
  ai21,
  alibaba,
  anthropic,
  arcee,
  avian,
  azure,
  azureDeployments,
  azureFoundry,
  baseten,
  bedrock,
  bedrockMantle,
  cerebras,
  cloudflare,
  cohere,
  crusoe,
  databricks,
  deepinfra,
  deepseek,
  featherless,
  fireworks,
  friendli,
  gemini,
  githubModels,
  gpustack,
  groq,
  heroku,
  huggingface,
  hyperbolic,
  inferenceNet,
  jina,
  llamacpp,
  lmstudio,
  minimax,
  mistral,
  moonshot,
  nebius,
  novita,
  nscale,
  nvidia,
  ollama,
  ollamaCloud,
  openai,
  openaiCompatible,
  openrouter,
  ovhcloud,
  parasail,
  perplexity,
  sambanova,
  scaleway,
  sglang,
  siliconflow,
  snowflake,
  together,
  upstage,
  venice,
  vercel,
  vertex,
  vllm,
  voyage,
  writer,
  xai,
  zai,
  zhipu,
];

/** The registry: vendors by id, in alphabetical order. */
export const PROVIDERS: ReadonlyMap<string, Provider> = new Map(
  ALL.map((provider) => [provider.id, provider]),
);
