import { ActionIcon, Tooltip } from '@mantine/core';
import { type ReactNode, useEffect, useState } from 'react';
import { Icon } from '../icons.tsx';

/** `navigator.clipboard` exists on secure origins only; a gateway on the local network has none. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  area.style.position = 'fixed';
  area.style.opacity = '0';
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  if (!copied) throw new Error('The browser refused to copy.');
}

/** Copies a text and says so. */
export function CopyButton(props: { readonly text: string; readonly label: string }): ReactNode {
  const [state, setState] = useState<'ready' | 'copied' | 'refused'>('ready');
  useEffect(() => {
    if (state === 'ready') return undefined;
    const timer = setTimeout(() => setState('ready'), 2000);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = () =>
    copyText(props.text).then(
      () => setState('copied'),
      () => setState('refused'),
    );
  const said = { ready: props.label, copied: 'Copied', refused: 'Select the text and copy it by hand' }[
    state
  ];
  return (
    <Tooltip label={said}>
      <ActionIcon
        variant="subtle"
        size="sm"
        color="gray"
        c={state === 'copied' ? 'var(--mantine-color-text)' : 'dimmed'}
        aria-label={said}
        onClick={() => void copy()}
      >
        <Icon name={state === 'copied' ? 'check' : 'copy'} />
      </ActionIcon>
    </Tooltip>
  );
}

/** Code to take along. */
export function CodeBlock(props: { readonly code: string; readonly label: string }): ReactNode {
  return (
    <div className="code">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
      <section className="code-scroll" tabIndex={0} aria-label={props.label}>
        <pre>{props.code}</pre>
      </section>
      <div className="code-copy">
        <CopyButton text={props.code} label={`Copy: ${props.label}`} />
      </div>
    </div>
  );
}
