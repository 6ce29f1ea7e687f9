import { Notifications } from '@mantine/notifications';
import type { ReactNode } from 'react';
import { PageHead } from './panel.tsx';

/** A page on which things are changed: its head, its lists, and what is said when something was done. */
export function ControlPage(props: {
  readonly title: string;
  readonly lead: ReactNode;
  readonly head?: ReactNode;
  readonly children: ReactNode;
}): ReactNode {
  return (
    <>
      <PageHead title={props.title} lead={props.lead}>
        {props.head}
      </PageHead>
      {props.children}
      <Notifications position="bottom-right" />
    </>
  );
}
