import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import presetMantine from 'postcss-preset-mantine';
import { defineConfig, type Plugin } from 'vite';
import { CONTRACT } from '../src/control/contract.ts';
import type { Endpoint } from '../src/control/endpoint.ts';

const CONTRACT_FILE = fileURLToPath(new URL('../src/control/contract.ts', import.meta.url));

/**
 * The browser needs of the contract only which method, path and permission an endpoint has, and names; the schemas, and zod with
 * them, serve types. The table is derived from the contract while building, so the two cannot drift apart.
 */
function contractRoutes(): Plugin {
  return {
    name: 'sluice:contract-routes',
    enforce: 'pre',
    load(id) {
      if (id.split('?', 1)[0] !== CONTRACT_FILE) return undefined;
      const routes = Object.entries<Endpoint>(CONTRACT).map(([name, { method, path, permission, own }]) => [
        name,
        { method, path, permission, own },
      ]);
      return `export { OPERATIONS } from '../core/policy/operations.ts';
export const CONTRACT = ${JSON.stringify(Object.fromEntries(routes))};`;
    },
  };
}

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: '/',
  plugins: [contractRoutes(), react()],
  css: { postcss: { plugins: [presetMantine()] } },
  build: {
    outDir: fileURLToPath(new URL('../dist/portal', import.meta.url)),
    emptyOutDir: true,
    // The page's content policy allows no data: scripts, and inlined assets cannot be cached by their hash.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: {
    fs: { allow: ['..'] },
    proxy: { '/api': 'http://127.0.0.1:4100', '/v1': 'http://127.0.0.1:4100' },
  },
});
