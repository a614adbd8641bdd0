// Resolves imports across apps in tests: the server has /static/watchlists/ beside /static/marketdata/, the checkout has
// them in two apps.

import { register } from "node:module";

const hook = `export function resolve(specifier, context, next) {
  const mapped = specifier.startsWith("../marketdata/") && context.parentURL.includes("/watchlists/static/")
    ? specifier.replace("../marketdata/", "../../../marketdata/static/marketdata/") : specifier;
  return next(mapped, context);
}`;

register(`data:text/javascript,${encodeURIComponent(hook)}`);
