import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';

/** The gate of a sluice, and water passing under it. */
function Mark({ size }: { readonly size: number }): ReactNode {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="var(--mantine-color-water-7)" />
      <g fill="none" strokeLinecap="round">
        <path d="M8 7v18M24 7v18M8 12h16" stroke="#fff" strokeWidth="2.6" />
        <path
          d="M11.500 18.500c1.500-1.500 3-1.500 4.500 0s3 1.500 4.500 0M11.500 23.500c1.500-1.500 3-1.500 4.500 0s3 1.500 4.500 0"
          stroke="#8be3dc"
          strokeWidth="2.200"
        />
      </g>
    </svg>
  );
}

/** Mark and name, leading home. */
export function Wordmark({ size = 26 }: { readonly size?: number }): ReactNode {
  return (
    <Link to="/" className="wordmark" aria-label="Sluice, to the overview">
      <Mark size={size} />
      Sluice
    </Link>
  );
}
