import { Button } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import type { OutputOf } from '../../../../src/control/contract.ts';
import { api, cached, send } from '../../api.ts';
import { type Act, ActDialog } from '../../components/act.tsx';
import type { Field } from '../../form-input.ts';
import { useRights } from '../../me.ts';

type Router = OutputOf<'listRouters'>['data'][number];

const MODES = [
  { value: 'off', label: 'off: serve the baseline, decide nothing' },
  { value: 'observe', label: 'observe: serve the baseline, note the decisions' },
  { value: 'canary', label: 'canary: follow them for a share of sessions' },
  { value: 'on', label: 'on: follow them' },
];

const FIELDS: readonly Field[] = [
  { path: 'mode', label: 'Mode', kind: 'select', options: MODES, required: true },
  {
    path: 'canary_percent',
    label: 'Share of sessions in percent',
    kind: 'count',
    required: true,
    when: (values) => values['mode'] === 'canary',
  },
];

/** The admin overrides with this router's settings changed; everything else in them stays. */
async function change(name: string, settings: Readonly<Record<string, unknown>>): Promise<void> {
  const { overrides } = await api.call('getConfigOverrides', {});
  const { hash } = await api.call('getConfig', {});
  const routers = (overrides['routers'] ?? {}) as Readonly<Record<string, object>>;
  const config = { ...overrides, routers: { ...routers, [name]: { ...routers[name], ...settings } } };
  await send('putConfig', { config, if_hash: hash, comment: `Router ${name}: ${JSON.stringify(settings)}` });
}

/** Changes what a router does with its decisions, from the next request on. */
export function ChangeMode({ router }: { readonly router: Router }): ReactNode {
  const rights = useRights();
  const [open, setOpen] = useState(false);
  if (!rights.may('putConfig')) return null;
  const act: Act = {
    label: 'Change mode',
    title: `Mode of “${router.name}”`,
    text: 'Holds from the next request on, over what the configuration file says. Earlier settings stay in the history of the configuration.',
    confirm: 'Save',
    fields: FIELDS,
    stored: { mode: router.mode, canary_percent: router.canary_percent },
    run: async (input) => {
      if (Object.keys(input).length > 0) await change(router.name, input);
      return undefined;
    },
    done: `The mode of ${router.name} is saved.`,
  };
  return (
    <>
      <Button variant="default" size="compact-sm" onClick={() => setOpen(true)}>
        Change mode…
      </Button>
      <ActDialog
        act={open ? act : undefined}
        touches={[cached.routers, cached.audit]}
        onClose={() => setOpen(false)}
      />
    </>
  );
}

/** Takes the last step of what routes learned back. */
export function RollBack({ name }: { readonly name: string }): ReactNode {
  const rights = useRights();
  const [open, setOpen] = useState(false);
  if (!rights.may('rollBackRouter')) return null;
  const act: Act = {
    label: 'Roll back',
    title: `Roll back “${name}”`,
    text: 'Every route goes back to the version before the present one. Comparisons made until now count no longer for it.',
    run: async () => {
      const { routes } = await api.call('rollBackRouter', { name });
      return { sentence: routes.map(({ route_key: key, says }) => `${key}: ${says}.`).join(' ') };
    },
    done: `${name} is rolled back.`,
  };
  return (
    <>
      <Button variant="default" size="compact-sm" onClick={() => setOpen(true)}>
        Roll back…
      </Button>
      <ActDialog
        act={open ? act : undefined}
        touches={[cached.routers, cached.audit]}
        onClose={() => setOpen(false)}
      />
    </>
  );
}
