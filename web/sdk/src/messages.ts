// A message's context, as the Segment spec has it: read afresh each time, for pages change.

/** JSON objects, as shops write them. */
export type Fields = Record<string, unknown>;

/** The page, as the spec names its parts. */
export function pageFields(): Fields {
  return {
    path: location.pathname,
    referrer: document.referrer,
    search: location.search,
    title: document.title,
    url: location.href.split("#")[0],
  };
}

function campaign(): Fields | undefined {
  const found: Fields = {};
  new URLSearchParams(location.search).forEach((value, name) => {
    if (name.startsWith("utm_") && value) {
      const part = name.slice(4);
      found[part === "campaign" ? "name" : part] = value;
    }
  });
  return Object.keys(found).length ? found : undefined;
}

/** What surrounds a call; who makes it is added when it is sent. */
export function context(): Fields {
  return {
    library: { name: "segue.js", version: VERSION },
    page: pageFields(),
    userAgent: navigator.userAgent,
    locale: navigator.language,
    // Quiet hours and waits are told by it.
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    campaign: campaign(),
  };
}
