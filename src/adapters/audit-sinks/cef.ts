import type { AuditRecord } from '../../ports/audit-store.ts';

/** In the header, `|` and `\` are escaped; line breaks have no place there. */
function header(text: string): string {
  return text.replace(/[\\|]/g, '\\$&').replace(/[\r\n]+/g, ' ');
}

/** In the extension, `=` and `\` are escaped, and line breaks are written as `\n`. */
function extension(text: string): string {
  return text.replace(/[\\=]/g, '\\$&').replace(/\r\n|\r|\n/g, '\\n');
}

/** How grave an entry is, 0 to 10. */
export function severityOf({ action }: AuditRecord): number {
  if (/refused|wrong|missing/.test(action)) return 7;
  return /^(secrets|credentials|roles|memberships|organizations)\./.test(action) ? 5 : 3;
}

/** The facts of an entry; an altered text is given as it is. */
export function factsOf({ details }: AuditRecord): Readonly<Record<string, unknown>> {
  try {
    const facts = JSON.parse(details) as unknown;
    return typeof facts === 'object' && facts !== null ? (facts as Record<string, unknown>) : { details };
  } catch {
    return { details };
  }
}

/** An entry in the Common Event Format, version 0 (ArcSight CEF, revision 25). */
export function cefOf(record: AuditRecord, version: string): string {
  const { sequence, at, actor, action, target, hash } = record;
  const { from, organization, ...facts } = factsOf(record);
  const fields: Record<string, string> = {
    rt: String(at),
    externalId: String(sequence),
    suser: actor,
    ...(typeof from === 'string' && from !== '' ? { src: from } : {}),
    act: action,
    duid: target,
    cs1Label: 'organization',
    cs1: String(organization ?? ''),
    cs2Label: 'hash',
    cs2: hash,
    outcome: /refused|wrong/.test(action) ? 'failure' : 'success',
    msg: JSON.stringify(facts),
  };
  const shown = Object.entries(fields).map(([name, value]) => `${name}=${extension(value)}`);
  const top = ['CEF:0', 'Sluice', 'Sluice', header(version), header(action), header(action)];
  return `${[...top, severityOf(record)].join('|')}|${shown.join(' ')}`;
}
