import { Button } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { type Act, ActDialog } from './act.tsx';

/** Something that can be done that belongs to no row of a list. */
export function ActButton(props: {
  readonly act: Act;
  readonly touches: readonly (readonly string[])[];
}): ReactNode {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button variant="default" onClick={() => setOpen(true)}>
        {props.act.label}
      </Button>
      <ActDialog act={open ? props.act : undefined} touches={props.touches} onClose={() => setOpen(false)} />
    </>
  );
}
