// The smallest pool that is right: an idle stack, waiters in a queue whose head is taken in constant time, and nothing else. What it costs
// is what promises and the event loop cost; what millpond costs beyond it is millpond's.

export class SmallestPool {
  #idle;
  /** @type {((resource: object) => void)[]} */
  #waiters = [];
  /** Waiters before this one are served. */
  #head = 0;

  /** @param {object[]} resources */
  constructor(resources) {
    this.#idle = resources;
  }

  /** @returns {Promise<object>} */
  acquire() {
    const resource = this.#idle.pop();
    if (resource !== undefined) return Promise.resolve(resource);
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
    });
  }

  /** @param {object} resource */
  release(resource) {
    const waiter = this.#waiters[this.#head];
    if (waiter === undefined) {
      this.#idle.push(resource);
      return;
    }
    this.#head++;
    if (this.#head === this.#waiters.length || this.#head === 1024) {
      this.#waiters = this.#waiters.slice(this.#head);
      this.#head = 0;
    }
    waiter(resource);
  }
}
