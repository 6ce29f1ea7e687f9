import type { Effort, Modality, ModelProfile } from '../../model/index.ts';
import { effort, type FamilyRule, FIXED_REASONING, family } from './family.ts';

/*
 * Gemini. Sources: Google's model pages ("Supported thinking levels", token limits) and WIRE §2.1: budgets up to 2.5,
 * levels from 3.0, never both.
 */

const ALL: readonly Modality[] = ['text', 'image', 'document', 'audio', 'video'];
const LEVELS: readonly Effort[] = ['minimal', 'low', 'medium', 'high'];

const gemini = (match: RegExp, properties: Partial<ModelProfile>): FamilyRule =>
  family(match, 'gemini', {
    contextTokens: 1_048_576,
    maxOutputTokens: 65_536,
    input: ALL,
    systemAnywhere: false,
    ...properties,
  });

const budget = (match: RegExp, min: number, range: { max: number; canDisable: boolean }): FamilyRule =>
  gemini(match, { reasoning: { kind: 'budget', min, ...range } });

export const GOOGLE_FAMILIES: readonly FamilyRule[] = [
  gemini(/^gemini-.*-tts/, {
    contextTokens: 8192,
    maxOutputTokens: 16_384,
    input: ['text'],
    tools: false,
    structuredOutput: 'none',
  }),
  gemini(/^gemini-.*-image/, { input: ['text', 'image'], tools: false, structuredOutput: 'none' }),
  gemini(/^gemini-(?:1-0-)?pro(?:-vision)?(?:-00\d)?$/, {
    contextTokens: 32_768,
    maxOutputTokens: 8192,
    input: ['text', 'image'],
    structuredOutput: 'none',
  }),
  gemini(/^gemini-(?:1-5-pro|pro-1-5)/, { contextTokens: 2_097_152, maxOutputTokens: 8192 }),
  gemini(/^gemini-(?:1-5-|flash-1-5)/, { maxOutputTokens: 8192 }),
  gemini(/^gemini-2-0-flash-thinking/, {
    reasoning: FIXED_REASONING,
    tools: false,
    structuredOutput: 'none',
  }),
  gemini(/^gemini-2-0-/, { maxOutputTokens: 8192 }),
  budget(/^gemini-2-5-flash-lite/, 512, { max: 24_576, canDisable: true }),
  budget(/^gemini-2-5-flash/, 1, { max: 24_576, canDisable: true }),
  budget(/^gemini-2-5-/, 128, { max: 32_768, canDisable: false }),
  gemini(/^gemini-3-pro/, { reasoning: effort(['low', 'high'], 'high') }),
  gemini(/^gemini-3-(?:\d-)?pro/, { reasoning: effort(['low', 'medium', 'high'], 'high') }),
  gemini(/^gemini-3-flash/, { reasoning: effort(LEVELS, 'high') }),
  gemini(/^gemini-3-1-flash-lite/, { reasoning: effort(LEVELS, 'minimal') }),
  gemini(/^gemini-3-5-flash(?!-lite)/, { reasoning: effort(LEVELS, 'medium') }),
  gemini(/^gemini-(?:[3-9]|flash|pro)/, { reasoning: effort(LEVELS) }),
  family(/^gemma-?3n?(?!\d)/, 'gemma', { input: ['text', 'image'] }),
  family(/^gemma-?4/, 'gemma', { input: ['text', 'image', 'audio'], reasoning: FIXED_REASONING }),
  family(/^gemma/, 'gemma', { tools: false, structuredOutput: 'json_object' }),
];
