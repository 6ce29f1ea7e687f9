import type { ReactNode } from 'react';
import { api, cached, send } from '../api.ts';
import type { Act } from '../components/act.tsx';
import { ControlPage } from '../components/control-page.tsx';
import { Directory } from '../components/directory.tsx';
import { Moment, Money } from '../components/values.tsx';
import type { Field, Option } from '../form-input.ts';
import { type Rights, useRights } from '../me.ts';
import { useModelNames } from '../noun.ts';

type Price = Awaited<ReturnType<typeof api.call<'listPrices'>>>['data'][number];

const TOUCHES = [cached.models, cached.prices, cached.audit];

const RATES = [
  ['input_usd_per_mtok', 'Input'],
  ['output_usd_per_mtok', 'Output'],
  ['cache_read_usd_per_mtok', 'Cache read'],
  ['cache_write_usd_per_mtok', 'Cache write'],
] as const;

/** Of models for sound. */
const SOUND_FIELDS: readonly Field[] = [
  { path: 'input_usd_per_mchar', label: 'Speech, $ a million characters', placeholder: 'none', span: 3 },
  { path: 'audio_usd_per_minute', label: 'Transcription, $ a minute', placeholder: 'none', span: 3 },
];

const RATE_FIELDS: readonly Field[] = [
  ...RATES.map(
    ([path, label], index): Field => ({
      path,
      label: `${label}, $ a million`,
      span: 3,
      ...(index < 2 ? { required: true } : { placeholder: 'as input' }),
    }),
  ),
  ...SOUND_FIELDS,
];

function newFields(models: readonly Option[]): Field[] {
  const note = 'A model of this gateway, or provider/model';
  return [
    { path: 'model', label: 'Model', note, kind: 'select', options: models, required: true },
    ...RATE_FIELDS,
  ];
}

function actsOf(rights: Rights, row: Price): Act[] {
  const { updated_at: _, ...before } = row;
  const acts: Act[] = [];
  if (rights.may('setPrice')) {
    acts.push({
      label: 'Edit',
      title: `Price of “${row.model}”`,
      text: 'Exchanges that are logged keep the price they were charged with.',
      confirm: 'Save',
      fields: RATE_FIELDS,
      stored: row,
      run: async (input) => {
        await send('setPrice', { ...before, ...input });
        return undefined;
      },
      done: `The price of “${row.model}” is saved.`,
    });
  }
  if (rights.may('deletePrice')) {
    acts.push({
      label: 'Remove',
      title: `Remove the price of “${row.model}”`,
      text: 'The configuration’s price holds again, else the catalog’s.',
      confirm: 'Remove price',
      danger: true,
      run: async () => {
        await send('deletePrice', { model: row.model });
        return undefined;
      },
      done: `“${row.model}” has its usual price again.`,
    });
  }
  return acts;
}

/** Prices that operators set over configuration and catalog. */
export function PricesPage(): ReactNode {
  const rights = useRights();
  const models = useModelNames();
  const create: Act | undefined = rights.may('setPrice')
    ? {
        label: 'New price',
        title: 'New price',
        confirm: 'Set price',
        text: 'It wins over the configuration and the catalog, from the next request on.',
        fields: newFields(models),
        run: async (input) => {
          await send('setPrice', input);
          return undefined;
        },
        done: 'The price is set.',
      }
    : undefined;
  return (
    <ControlPage title="Prices" lead="Dollars a million tokens, set over configuration and catalog">
      <Directory<Price>
        title="Price overrides"
        icon="prices"
        empty={[
          'No price is set here',
          'Models cost what the configuration says, else what the catalog says.',
        ]}
        queryKey={cached.prices}
        list={(cursor) => api.call('listPrices', { limit: 50, ...(cursor === undefined ? {} : { cursor }) })}
        idAccessor="model"
        nameOf={({ model }) => model}
        width={640}
        columns={[
          { accessor: 'model', title: 'Model', ellipsis: true },
          ...RATES.map(([accessor, title]) => ({
            accessor,
            title,
            width: 110,
            textAlign: 'right' as const,
            render: (row: Price) => <Money usd={String(row[accessor] ?? row.input_usd_per_mtok)} />,
          })),
          {
            accessor: 'updated_at',
            title: 'Set',
            width: 130,
            render: (row) => <Moment at={row.updated_at} />,
          },
        ]}
        create={create}
        acts={(row) => actsOf(rights, row)}
        touches={TOUCHES}
      />
    </ControlPage>
  );
}
