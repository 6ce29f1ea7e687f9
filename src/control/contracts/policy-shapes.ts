import { z } from 'zod';
import { parseBlock } from '../../core/policy/cidr.ts';
import { isOperation, OPERATIONS } from '../../core/policy/operations.ts';

const names = (most: number) => z.array(z.string().min(1).max(200)).max(most);

/** Addresses and blocks; what cannot be read is refused, because it would allow nobody. */
export const cidrs = z
  .array(
    z
      .string()
      .max(60)
      .refine((text) => parseBlock(text) !== undefined, {
        message: 'no IP address or CIDR block; write for example 192.0.2.7 or 10.0.0.0/8 (host bits zero)',
      }),
  )
  .max(200);

/** Operations as the log names them. */
export const operations = z
  .array(
    z
      .string()
      .max(60)
      .refine(isOperation, { message: `no operation; there are ${OPERATIONS.join(', ')}` }),
  )
  .max(50);

const parameterRule = z.strictObject({
  allowed: z.boolean().optional(),
  min: z.number().optional(),
  max: z.number().optional(),
});

/** What policies of places and of keys have in common. */
export const policyFields = {
  providers: names(200).optional(),
  regions: names(200).optional(),
  max_output_tokens: z.number().int().positive().max(1e9).optional(),
  tools: names(500).optional(),
  parameters: z.record(z.string().min(1).max(100), parameterRule).optional(),
  required_tags: names(50).optional(),
  system_prompt: z.string().min(1).max(20_000).optional(),
  /** Models each call of which needs an approval. */
  approvals: names(500).optional(),
};

/** A key's own rules beyond `models`, `operations`, `cidrs` and `limits`, which stand on the key itself. */
export const keyPolicyInput = z.strictObject(policyFields);
