export {
  type Catalog,
  type CatalogEntry,
  type CatalogPrice,
  createCatalog,
  parseCatalog,
} from './catalog.ts';
export type { CatalogData } from './data.ts';
export { OVERLAY, type Overlay } from './overlay.ts';
