export { type Catalog, createCatalog, parseCatalog } from './catalog.ts';
export { OVERLAY } from './overlay.ts';
