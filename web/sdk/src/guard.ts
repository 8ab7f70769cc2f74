// The shop's page comes first: whatever fails in here stays in here.
//
// Rule: every entry into this code (a public call, a listener, a timer, an answer) goes through
// `guard`; a failure is told on the console in debug mode and nowhere else.

let debug = false;

/** Tell failures on the console from now on. */
export function tellFailures(on: boolean): void {
  debug = on;
}

/** Take note of a failure. */
export function complain(problem: unknown): void {
  if (debug) console.warn("[segue]", problem);
}

/** The same work, which can't throw and whose promise can't be rejected unheard. */
export function guard<A extends unknown[], R>(work: (...given: A) => R) {
  return (...given: A): R | undefined => {
    try {
      const answer = work(...given);
      if (answer instanceof Promise) answer.catch(complain);
      return answer;
    } catch (problem) {
      complain(problem);
      return undefined;
    }
  };
}

/** Listen, guarded. */
export function listen<E extends Event>(
  target: EventTarget,
  name: string,
  work: (event: E) => void,
  options: AddEventListenerOptions = {},
): void {
  target.addEventListener(name, guard(work) as unknown as EventListener, options);
}

/** Do it later, guarded. */
export function later(work: () => void, ms: number): ReturnType<typeof setTimeout> {
  return setTimeout(guard(work), ms);
}
