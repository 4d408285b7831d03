// What plugins get if package managers reach indexes by themselves.

import type { PackageAccess, Packages } from '../sdk.js';

export const DIRECT_ACCESS: PackageAccess = {
  isThroughGateway: false,
  env: {},
  indexUrl: (urls) => urls,
  explain: (failure) => failure,
};

export const directPackages: Packages = {
  open: () => Promise.resolve(DIRECT_ACCESS),
  hide: (_, secret) => Promise.resolve(secret),
};
