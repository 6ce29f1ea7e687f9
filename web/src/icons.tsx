import type { ReactNode } from 'react';

/** Shapes drawn by hand on a 20 × 20 grid, stroked with the text colour. */
const SHAPES = {
  overview: 'M3 11.500 10 4l7 7.500M5 9.800V16h10V9.800',
  exchanges: 'M3 7h12m-3-3.500L15.500 7 12 10.500M17 13H5m3-3.500L4.500 13 8 16.500',
  people: 'M13 7a3 3 0 1 1-6 0 3 3 0 0 1 6 0ZM4 16.500c.600-3.400 2.900-5 6-5s5.400 1.600 6 5',
  account:
    'M12.500 8a2.500 2.500 0 1 1-5 0 2.500 2.500 0 0 1 5 0ZM17 10a7 7 0 1 1-14 0 7 7 0 0 1 14 0ZM5.500 15.200c.700-2.100 2.400-3 4.500-3s3.800.900 4.500 3',
  budgets: 'M3 15a7 7 0 1 1 14 0M10 15l3.500-5M3 15h14',
  approvals: 'M4 3.500h12v13H4v-13ZM7 10.500l2.300 2.300L13.500 8',
  audit: 'M5 3h7l3.500 3.500V17H5V3ZM8 9h4.500M8 12.500h4.500',
  keys: 'M8.500 11.500 16 4m-2.800 2.800 2.300 2.300M10 14a3.500 3.500 0 1 1-7 0 3.500 3.500 0 0 1 7 0Z',
  models: 'M10 3 17 6.500 10 10 3 6.500 10 3ZM3 10l7 3.500 7-3.500M3 13.500 10 17l7-3.500',
  deployments: 'M4 3.500h12v5H4v-5ZM4 11.500h12v5H4v-5ZM7 6h.100M7 14h.100M10 6h3M10 14h3',
  routers:
    'M3 10h4m0 0 4-5h5.500M7 10l4 5h5.500m-2.500-12.500 2.500 2.500-2.500 2.500m0 5 2.500 2.500-2.500 2.500',
  prices:
    'M10 3v14M13.500 6c-.800-1-2-1.500-3.500-1.500-2 0-3.500 1-3.500 2.600 0 3.700 7.200 2.100 7.200 5.800 0 1.600-1.600 2.600-3.700 2.600-1.700 0-3-.600-3.800-1.700',
  credentials: 'M5 9h10v8H5V9ZM7 9V6.500a3 3 0 0 1 6 0V9M10 12v2',
  cache:
    'M4 5.500c0-3.300 12-3.300 12 0s-12 3.300-12 0ZM4 5.500v9c0 3.300 12 3.300 12 0v-9M4 10c0 3.300 12 3.300 12 0',
  configuration: 'M7 4 3 10l4 6M13 4l4 6-4 6',
  usage: 'M3 17V3M3 17h14M7 14v-4M11 14V6M15 14V9',
  chargeback: 'M4 3.500h12v13l-2-1.500-2 1.500-2-1.500-2 1.500-2-1.500-2 1.500v-13ZM7 7.500h6M7 11h6',
  settings:
    'M3 6h7m5 0h2M3 14h2m5 0h7M14.500 6a2 2 0 1 1-4 0 2 2 0 0 1 4 0ZM9.500 14a2 2 0 1 1-4 0 2 2 0 0 1 4 0Z',
  copy: 'M7.500 7.500h8.500v8.500H7.500V7.500ZM12.500 4H4v8.500',
  check: 'm4 10.500 4 4L16 6',
  sun: 'M13 10a3 3 0 1 1-6 0 3 3 0 0 1 6 0ZM10 2.500v1.800m0 11.400v1.800M2.500 10h1.800m11.400 0h1.800M4.700 4.700 6 6m8 8 1.300 1.300M15.300 4.700 14 6m-8 8-1.300 1.300',
  moon: 'M16 12.500A6.500 6.500 0 0 1 7.500 4a6.500 6.500 0 1 0 8.500 8.500Z',
  system: 'M3 4h14v9H3V4Zm5 13h4m-2-4v4',
  signOut: 'M8 4H4v12h4M8 10h9m-3-3 3 3-3 3',
  warning: 'M10 3.500 17.500 16h-15L10 3.500ZM10 8v4m0 2v.100',
  info: 'M17 10a7 7 0 1 1-14 0 7 7 0 0 1 14 0ZM10 9.500v4M10 6.500v.100',
  download: 'M10 3v9m-3.500-3.500L10 12l3.500-3.500M4 16h12',
  plus: 'M10 4v12M4 10h12',
  more: 'M4.500 10h.100M10 10h.100M15.500 10h.100',
  search: 'M13 8.500a4.500 4.500 0 1 1-9 0 4.500 4.500 0 0 1 9 0ZM12 12l4.500 4.500',
  play: 'M6 4.500v11l9-5.500-9-5.500Z',
  stop: 'M5.500 5.500h9v9h-9v-9Z',
  refresh: 'M16 10a6 6 0 1 1-1.800-4.300L16 7.500M16 3.500v4h-4',
} as const;

export type IconName = keyof typeof SHAPES;

/** A small line drawing. Decorative: what it stands for is said by the text or label beside it. */
export function Icon({ name, size = 16 }: { readonly name: IconName; readonly size?: number }): ReactNode {
  return (
    <svg
      aria-hidden="true"
      width={size}
      height={size}
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === 'more' ? 2.6 : 1.6}
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d={SHAPES[name]} />
    </svg>
  );
}
