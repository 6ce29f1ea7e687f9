import { Button, Group, TextInput } from '@mantine/core';
import { type FormEvent, type ReactNode, useEffect, useState } from 'react';
import { Icon } from '../icons.tsx';

export interface FilterField {
  readonly name: string;
  readonly label: string;
  readonly placeholder?: string;
  /** `status`: three digits; `time`: a moment. */
  readonly kind?: 'status' | 'time';
}

type Filter = Readonly<Record<string, string>>;

/** RFC 3339 as a `datetime-local` field wants it, in the reader's time zone. */
function toLocal(time: string | undefined): string {
  const at = new Date(time ?? '');
  if (Number.isNaN(at.getTime())) return '';
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function fromLocal(text: string): string {
  const at = new Date(text);
  return text === '' || Number.isNaN(at.getTime()) ? '' : at.toISOString();
}

/** Filters of a log; what holds stands in the address bar, and is given as `filter`. */
export function Filters(props: {
  readonly fields: readonly FilterField[];
  readonly filter: Filter;
  readonly onFilter: (filter: Filter) => void;
}): ReactNode {
  const { fields, filter, onFilter } = props;
  const [draft, setDraft] = useState(filter);
  const inBar = JSON.stringify(filter);
  // Back and forward change the address bar; the fields follow it.
  useEffect(() => setDraft(JSON.parse(inBar) as Filter), [inBar]);
  const put = (name: string, value: string) =>
    setDraft((before) => {
      const { [name]: _, ...others } = before;
      return value === '' ? others : { ...others, [name]: value };
    });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onFilter(draft);
  };
  return (
    <form onSubmit={submit} aria-label="Filters">
      <div className="filters">
        {fields.map(({ name, label, placeholder = 'any', kind }) =>
          kind === 'time' ? (
            <TextInput
              key={name}
              type="datetime-local"
              label={label}
              value={toLocal(draft[name])}
              onChange={(event) => put(name, fromLocal(event.currentTarget.value))}
            />
          ) : (
            <TextInput
              key={name}
              label={label}
              placeholder={placeholder}
              {...(kind === 'status' ? { inputMode: 'numeric', pattern: '[0-9]{3}' } : {})}
              value={draft[name] ?? ''}
              onChange={(event) => put(name, event.currentTarget.value.trim())}
            />
          ),
        )}
        <Group gap="xs" wrap="nowrap">
          <Button type="submit" leftSection={<Icon name="search" size={14} />}>
            Filter
          </Button>
          {inBar !== '{}' && (
            <Button variant="default" onClick={() => onFilter({})}>
              Clear
            </Button>
          )}
        </Group>
      </div>
    </form>
  );
}
