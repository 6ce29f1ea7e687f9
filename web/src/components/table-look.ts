/** How every table of the portal looks; `width` is the least one at which its columns are readable. */
export function tableLook(width: number) {
  return {
    minHeight: 0,
    verticalSpacing: 6,
    horizontalSpacing: 'xs',
    fz: 'sm',
    rowBorderColor: 'var(--sluice-line)',
    backgroundColor: 'var(--mantine-color-body)',
    // What scrolls must be reachable by keyboard.
    scrollAreaProps: { viewportProps: { tabIndex: 0 } },
    styles: { table: { minWidth: width, tableLayout: 'fixed' } },
  } as const;
}
