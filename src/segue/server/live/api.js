// Talking to the server: JSON with the admin token if one is needed, and the live stream.

const TOKEN = "segue-admin-token";

function headers() {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

export const keepToken = (token) => sessionStorage.setItem(TOKEN, token);

export class Refused extends Error {
  constructor(status, body) {
    super(body?.message ?? `HTTP ${status}`);
    this.status = status;
    this.hint = body?.hint ?? "";
  }
}

async function answered(response) {
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(response.status, body);
  return body;
}

export const get = async (path) => answered(await fetch(path, { headers: headers() }));

export const post = async (path, body) =>
  answered(await fetch(path, { method: "POST", headers: { ...headers(), "Content-Type": "application/json" }, body: JSON.stringify(body) }));

// Server-sent events by fetch, since EventSource can't carry a token. Comes back by itself.
export async function follow(path, onFrame, onState) {
  let pause = 500;
  for (;;) {
    try {
      const response = await fetch(path, { headers: headers() });
      if (!response.ok) await answered(response);
      onState("live");
      pause = 500;
      await frames(response.body.getReader(), onFrame);
    } catch (error) {
      if (error.status === 401) {
        onState("locked");
        return;
      }
    }
    onState("off");
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, 8000);
  }
}

async function frames(reader, onFrame) {
  const decoder = new TextDecoder();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    waiting += decoder.decode(value, { stream: true });
    const parts = waiting.split("\n\n");
    waiting = parts.pop();
    for (const part of parts) {
      const lines = part.split("\n");
      const name = lines.find((line) => line.startsWith("event: "))?.slice(7);
      const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      if (name && data) onFrame(name, JSON.parse(data));
    }
  }
}
