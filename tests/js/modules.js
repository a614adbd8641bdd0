// Lets tests import modules that, once served, import one another across apps: /static/watchlists/ and
// /static/marketdata/ are neighbors there, but not in the checkout.

import { register } from "node:module";

const hook = `export function resolve(specifier, context, next) {
  const mapped = specifier.startsWith("../marketdata/") && context.parentURL.includes("/watchlists/static/")
    ? specifier.replace("../marketdata/", "../../../marketdata/static/marketdata/") : specifier;
  return next(mapped, context);
}`;

register(`data:text/javascript,${encodeURIComponent(hook)}`);
