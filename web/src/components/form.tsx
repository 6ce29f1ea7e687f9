import {
  Button,
  Checkbox,
  Group,
  PasswordInput,
  Select,
  Stack,
  TagsInput,
  Textarea,
  TextInput,
} from '@mantine/core';
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { ApiError, sentenceOf } from '../api.ts';
import {
  type Field,
  FieldProblem,
  fieldAt,
  inputOf,
  NOTHING,
  type Option,
  type Value,
  type Values,
  valuesOf,
} from '../form-input.ts';
import { ErrorPanel } from './feedback.tsx';

export interface FormProps {
  readonly fields: readonly Field[];
  /** What is changed; absent for something new. */
  readonly stored?: Readonly<Record<string, unknown>>;
  readonly confirm: string;
  readonly danger?: boolean;
  readonly pending: boolean;
  readonly error: unknown;
  readonly onSubmit: (input: Record<string, unknown>) => void;
  readonly onCancel: () => void;
}

/** A form made of fields that are data. What is wrong is said at the field it is about, else above the buttons. */
export function Form(props: FormProps): ReactNode {
  const fields = props.fields.filter(({ once }) => once !== true || props.stored === undefined);
  const [values, setValues] = useState(() => valuesOf(fields, props.stored));
  const [typed, setTyped] = useState<FieldProblem>();
  const box = useRef<HTMLFormElement>(null);
  const visible = fields.filter(({ when }) => when === undefined || when(values));
  const said = props.error instanceof ApiError ? fieldAt(visible, props.error.param) : undefined;
  const wrong =
    typed !== undefined
      ? { path: typed.path, sentence: typed.message }
      : said && { path: said.path, sentence: sentenceOf(props.error) };
  useEffect(() => {
    if (wrong?.path !== undefined && !props.pending)
      box.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus();
    // Once for each time something was found wrong, not while he mends it.
  }, [wrong?.path, props.pending]);
  const change = (field: Field, value: Value) => {
    setTyped(undefined);
    setValues((before) => ({
      ...before,
      [field.path]: value,
      ...(field.clears === undefined ? {} : { [field.clears]: '' }),
    }));
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    try {
      const input = inputOf(fields, values, props.stored);
      setTyped(undefined);
      props.onSubmit(input);
    } catch (problem) {
      if (!(problem instanceof FieldProblem)) throw problem;
      setTyped(problem);
    }
  };
  return (
    <form onSubmit={submit} ref={box}>
      <Stack gap="sm">
        <Fields fields={visible} values={values} wrong={wrong} onChange={change} />
        {props.error != null && said === undefined && <ErrorPanel error={props.error} />}
        <Group justify="flex-end" mt={4}>
          <Button variant="default" onClick={props.onCancel}>
            Cancel
          </Button>
          <Button
            type="submit"
            loading={props.pending}
            {...(props.danger === true ? { color: 'red.9' } : {})}
          >
            {props.confirm}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

interface FieldsProps {
  readonly fields: readonly Field[];
  readonly values: Values;
  readonly wrong: { readonly path: string; readonly sentence: string } | undefined;
  readonly onChange: (field: Field, value: Value) => void;
}

/** Fields in lines of six columns; those of a group folded away under its name. */
function Fields({ fields, values, wrong, onChange }: FieldsProps): ReactNode {
  const line = (some: readonly Field[]) => (
    <div className="form-grid">
      {some.map((field) => (
        <div key={field.path + field.label} data-span={field.span ?? 6}>
          <Input
            field={field}
            value={values[field.path] ?? ''}
            error={wrong?.path === field.path ? wrong.sentence : undefined}
            onChange={(value) => onChange(field, value)}
          />
        </div>
      ))}
    </div>
  );
  const groups = [...new Set(fields.flatMap(({ group }) => group ?? []))];
  return (
    <>
      {line(fields.filter(({ group }) => group === undefined))}
      {groups.map((name) => {
        const inside = fields.filter(({ group }) => group === name);
        return (
          <Fold key={name} name={name} needed={inside.some(({ path }) => path === wrong?.path)}>
            {line(inside)}
          </Fold>
        );
      })}
    </>
  );
}

/** Opened by hand, or by what is wrong inside. */
function Fold(props: {
  readonly name: string;
  readonly needed: boolean;
  readonly children: ReactNode;
}): ReactNode {
  const [open, setOpen] = useState(false);
  if (props.needed && !open) setOpen(true);
  return (
    <details className="fold" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{props.name}</summary>
      {props.children}
    </details>
  );
}

interface InputProps {
  readonly field: Field;
  readonly value: Value;
  readonly error: string | undefined;
  readonly onChange: (value: Value) => void;
}

function Input({ field, value, error, onChange }: InputProps): ReactNode {
  const { kind = 'text', label, note, placeholder, required = false } = field;
  const shared = {
    label,
    error,
    required,
    ...(note === undefined ? {} : { description: note }),
    ...(placeholder === undefined ? {} : { placeholder }),
  };
  const text = typeof value === 'string' ? value : '';
  switch (kind) {
    case 'check':
      return (
        <Checkbox
          {...shared}
          size="xs"
          checked={value === true}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
      );
    case 'list':
      return (
        <TagsInput
          {...shared}
          clearable={false}
          limit={50}
          data={[...(field.options ?? []).map((option) => option.value), NOTHING]}
          value={Array.isArray(value) ? value : []}
          onChange={(entries) =>
            onChange(
              entries.includes(NOTHING) && entries.at(-1) === NOTHING
                ? [NOTHING]
                : entries.filter((entry) => entry !== NOTHING),
            )
          }
        />
      );
    case 'select':
      return <Choice field={field} shared={shared} value={text} onChange={onChange} />;
    case 'long':
    case 'pairs':
    case 'json':
      return (
        <Textarea
          {...shared}
          autosize
          minRows={2}
          maxRows={8}
          value={text}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      );
    case 'secret':
      return (
        <PasswordInput
          {...shared}
          autoComplete="new-password"
          maxLength={16_384}
          visibilityToggleButtonProps={{ 'aria-label': `Show: ${label}` }}
          value={text}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      );
    default:
      return (
        <TextInput
          {...shared}
          type={kind === 'date' ? 'date' : 'text'}
          {...(kind === 'count' ? { inputMode: 'numeric' as const } : {})}
          maxLength={500}
          value={text}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      );
  }
}

/** A choice; where there are too many things to list, the id of one can be typed. */
function Choice(props: {
  readonly field: Field;
  readonly shared: object;
  readonly value: string;
  readonly onChange: (value: string) => void;
}): ReactNode {
  const { field, value } = props;
  const [searched, setSearched] = useState('');
  const options: Option[] = [...(field.options ?? [])];
  const unknown = (id: string) => id !== '' && !options.some((option) => option.value === id);
  if (unknown(value)) options.push({ value, label: value });
  if (/^[a-z]+_[\w-]{6,}$/.test(searched) && unknown(searched))
    options.push({ value: searched, label: searched });
  return (
    <Select
      {...props.shared}
      data={options}
      limit={60}
      searchable={options.length > 8}
      {...(options.length > 8 ? { onSearchChange: setSearched } : {})}
      allowDeselect={false}
      clearable={field.required !== true && field.initial === undefined}
      clearButtonProps={{ 'aria-label': `Clear: ${field.label}` }}
      nothingFoundMessage="Nothing like this; an id can be pasted"
      value={value === '' ? null : value}
      onChange={(chosen) => props.onChange(chosen ?? '')}
    />
  );
}
