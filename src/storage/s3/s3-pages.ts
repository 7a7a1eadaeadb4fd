// The pages of S3's listings. One that ends too early is worse than none: prune takes for abandoned what the catalog does not name,
// and the catalog is listed.

import { StrangeAnswer } from '../request/request-failure.ts';

/** Thrown for a page that is not the last one, and does not say where the next one begins. */
export class CutListing extends Error {}

/** What every listing tells of itself. */
interface ListingPage {
  /** The bucket, in a listing of objects. */
  readonly Name?: string | undefined;
  /** The same, in a listing of uploads or parts. */
  readonly Bucket?: string | undefined;
  readonly IsTruncated?: boolean | undefined;
}

/**
 * Where the listing goes on behind this page; undefined where it ends.
 * @param name of the marker in the protocol
 * @param next what the page has for it
 * @throws StrangeAnswer for any other document, of which the SDK makes an empty page; CutListing
 */
export function nextOf(page: ListingPage, name: string, next: string | undefined): string | undefined {
  if (page.Name === undefined && page.Bucket === undefined && page.IsTruncated === undefined) {
    throw new StrangeAnswer('there is no listing in the answer');
  }
  if (page.IsTruncated !== true) return undefined;
  if (next === undefined || next === '') throw new CutListing(`the listing is cut short: it has no ${name}`);
  return next;
}
