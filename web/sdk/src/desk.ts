// What the page leaves for the service worker, which outlives it: where Segue answers, and for
// whom. It lies in the cache storage, the one place that both can read.

const SHELF = "segue";
const KEY = "/segue-desk";

/** What could not be told yet; beyond, the oldest give way. */
const KEPT_MAX = 50;

/** Something to tell Segue: a path under /v1, and what goes there. */
export interface Note {
  path: string;
  body: Record<string, unknown>;
}

export interface Desk {
  host: string;
  writeKey: string;
  /** Whom the notifications are for: `anonymousId`, perhaps `userId`. */
  ids: Record<string, string>;
  /** How the worker was registered. */
  worker: string;
  scope: string;
  /** The subscription that Segue knows, as text. */
  token: string;
  toldAt: number;
  kept: Note[];
}

export async function read(): Promise<Desk | null> {
  // To open it would make it: looking leaves no trace.
  const found = await caches.match(KEY, { cacheName: SHELF });
  return found ? ((await found.json()) as Desk) : null;
}

export async function write(desk: Desk): Promise<void> {
  await (await caches.open(SHELF)).put(KEY, new Response(JSON.stringify(desk)));
}

export async function clear(): Promise<void> {
  await caches.delete(SHELF);
}

/** The key that subscriptions are bound to; nothing where Segue has no Web Push. */
export async function key(host: string, writeKey: string): Promise<string> {
  const query = new URLSearchParams({ writeKey }).toString();
  const answer = await fetch(`${host}/v1/push/key?${query}`, { credentials: "omit" });
  return answer.ok ? ((await answer.json()) as { public_key: string }).public_key : "";
}

/** The trait that says where a customer's notifications go, or that they go nowhere. */
export function traits(token: string): Record<string, unknown> {
  return token ? { push_token: token } : { $unset: ["push_token"] };
}

async function post(desk: Desk, { path, body }: Note): Promise<boolean> {
  try {
    const { status } = await fetch(`${desk.host}/v1/${path}`, {
      method: "POST",
      body: JSON.stringify({ writeKey: desk.writeKey, ...body }),
      credentials: "omit",
      headers: { "Content-Type": "text/plain" },
      keepalive: true,
    });
    return status < 500 && status !== 429;
  } catch {
    return false;
  }
}

let telling: Promise<boolean> = Promise.resolve(true);

/** Tell Segue something, after what could not be told before; says whether all was told. */
export function tell(note?: Note): Promise<boolean> {
  telling = telling.catch(() => true).then(async () => {
    const desk = await read();
    if (!desk) return true;
    const notes = [...desk.kept, ...(note ? [note] : [])];
    const kept: Note[] = [];
    for (const one of notes) if (kept.length || !(await post(desk, one))) kept.push(one);
    if (kept.length || desk.kept.length) {
      const now = await read();
      if (now) await write({ ...now, kept: kept.slice(-KEPT_MAX) });
    }
    return !kept.length;
  });
  return telling;
}
