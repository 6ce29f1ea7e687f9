import { OPERATIONS } from '../../src/control/contract.ts';
import type { Field, Option, Values } from './form-input.ts';

export function choices(values: readonly string[]): Option[] {
  return values.map((value) => ({ value, label: value.replaceAll('_', ' ') }));
}

export const NAME: Field = { path: 'name', label: 'Name', required: true };
export const METADATA: Field = {
  path: 'metadata',
  label: 'Metadata',
  note: 'One name=value a line',
  kind: 'pairs',
};
export const BLOCKED: Field = {
  path: 'blocked',
  label: 'Blocked: every request in it is refused',
  kind: 'check',
};

const LIMITS = [
  ['rpm', 'Requests / min'],
  ['tpm', 'Tokens / min'],
  ['concurrency', 'At once'],
  ['rph', 'Requests / hour'],
  ['rpd', 'Requests / day'],
  ['tph', 'Tokens / hour'],
  ['tpd', 'Tokens / day'],
] as const;

/** Rate limits below a path: `limits`, `policy.limits`. */
export function limitFields(path: string, group?: string): Field[] {
  return LIMITS.map(([name, label], index) => {
    const folded = group ?? (index > 2 ? 'More rate limits' : undefined);
    return {
      path: `${path}.${name}`,
      label,
      kind: 'count',
      placeholder: 'no limit',
      span: 2,
      ...(folded === undefined ? {} : { group: folded }),
    };
  });
}

/** What becomes of requests over the limits below a path. */
export function waitFields(path: string, group = 'More rate limits'): Field[] {
  const waits = (values: Values) => values[`${path}.on_limit`] === 'queue';
  return [
    {
      path: `${path}.on_limit`,
      label: 'Over the limit',
      kind: 'select',
      options: [
        { value: 'refuse', label: 'refuse' },
        { value: 'queue', label: 'wait in turn' },
      ],
      placeholder: 'refuse',
      span: 2,
      group,
    },
    {
      path: `${path}.max_wait_ms`,
      label: 'Longest wait, ms',
      kind: 'count',
      placeholder: '10000',
      span: 2,
      group,
      when: waits,
    },
    {
      path: `${path}.max_waiting`,
      label: 'Most that wait',
      kind: 'count',
      placeholder: '100',
      span: 2,
      group,
      when: waits,
    },
  ];
}

const CHOICES = OPERATIONS.map((value) => ({ value, label: value }));

/** The three lists that stand on a key itself, and in the policy of every other place. */
export function accessFields(before: '' | 'policy.', models: readonly Option[]): Field[] {
  const whole = before === '' ? ({ blank: 'null' } as const) : {};
  return [
    {
      path: `${before}models`,
      label: 'Models',
      note: 'Names or patterns such as gpt-*; none means every model',
      kind: 'list',
      options: models,
      ...whole,
    },
    {
      path: `${before}operations`,
      label: 'Operations',
      kind: 'list',
      options: CHOICES,
      span: 3,
      ...whole,
    },
    {
      path: `${before}cidrs`,
      label: 'Addresses',
      placeholder: '10.0.0.0/8',
      kind: 'list',
      span: 3,
      ...whole,
    },
  ];
}

const POLICY: readonly Field[] = [
  {
    path: 'policy.max_output_tokens',
    label: 'Most output tokens',
    kind: 'count',
    placeholder: 'no limit',
    span: 2,
  },
  { path: 'policy.providers', label: 'Providers', kind: 'list', span: 3 },
  { path: 'policy.regions', label: 'Regions', note: 'eu covers eu-west-1', kind: 'list', span: 3 },
  { path: 'policy.tools', label: 'Tools', note: 'A request may offer', kind: 'list', span: 3 },
  {
    path: 'policy.required_tags',
    label: 'Tags required',
    placeholder: 'name or name=value',
    kind: 'list',
    span: 3,
  },
  { path: 'policy.approvals', label: 'Models that need an approval', kind: 'list' },
  {
    path: 'policy.parameters',
    label: 'Parameters',
    note: 'By name: allowed, min, max',
    placeholder: '{"temperature":{"max":1}}',
    kind: 'json',
  },
  {
    path: 'policy.system_prompt',
    label: 'System prompt',
    note: 'Put before every conversation',
    kind: 'long',
  },
];

/** A policy, folded away. A key has its models, operations, addresses and limits on itself. */
export function policyFields(models: readonly Option[], ofKey = false): Field[] {
  const group = 'Policy';
  const shared = ofKey
    ? []
    : [
        ...accessFields('policy.', models),
        ...limitFields('policy.limits', group),
        ...waitFields('policy.limits', group),
      ];
  return [...shared, ...POLICY].map((field) => ({ ...field, group }));
}

export const WINDOWS = choices(['hour', 'day', 'week', 'month', 'total']);
export const ACTIONS: Option[] = [
  { value: 'block', label: 'refuse' },
  { value: 'warn', label: 'warn only' },
  { value: 'downgrade', label: 'use a cheaper model' },
  { value: 'approve', label: 'ask for approval' },
];
