// How many server connections each pool of each worker may hold, so that together they never hold more than a limit says. Pure: claims in,
// grants out. What a pool was granted is promised to it until it has said, in answer to a smaller grant, that it holds less; nothing is
// promised twice. Pools that want little get it in full, the others share the rest evenly.

/** What a pool of a worker says of itself. */
export interface Claim {
  /** Of this worker's claims. */
  readonly seat: number;
  /** What is limited: pools with the same key share one limit. */
  readonly key: string;
  /** The limit, as its configuration says. */
  readonly total: number;
  /** Connections that there are, with those that come and go. */
  readonly held: number;
  /** How many it could use. */
  readonly demand: number;
  /** The number of the last grant that it has seen. */
  readonly seen: number;
  /** It wants and holds nothing any more. */
  readonly left?: boolean;
}

export interface Grant {
  readonly seat: number;
  readonly limit: number;
  readonly number: number;
}

interface Seat {
  readonly worker: number;
  readonly seat: number;
  total: number;
  held: number;
  demand: number;
  /** The most that was demanded lately: what varies from query to query must not move connections to and fro. */
  peak: number;
  peakBefore: number;
  peakSince: number;
  limit: number;
  /** As much as it may hold by any grant that it may still go by. */
  promised: number;
  /** Of the last grant. */
  number: number;
  /** When it last got its turn, in the order of all such moments. */
  servedAt: number;
}

/** How long a peak counts: at least so long, at most twice. */
const PEAK_MS = 500;

export class Ledger {
  readonly #keys = new Map<string, Map<string, Seat>>();
  /** What has been claimed since, and where somebody has less than they want. */
  readonly #touched = new Set<string>();
  readonly #short = new Set<string>();
  #turns = 0;

  /** Takes a worker's word. `now`: of a clock that only counts. */
  claim(worker: number, claim: Claim, now: number): void {
    const { key, held, demand, seen, total } = claim;
    const name = `${worker} ${claim.seat}`;
    this.#touched.add(key);
    if (claim.left === true) {
      this.#keys.get(key)?.delete(name);
      return;
    }
    const seats = this.#keys.get(key) ?? new Map<string, Seat>();
    this.#keys.set(key, seats);
    const seat = seats.get(name) ?? {
      worker, seat: claim.seat, total, held, demand, peak: 0, peakBefore: 0, peakSince: now, limit: 0, promised: 0, number: 0, servedAt: 0,
    };
    seats.set(name, seat);
    Object.assign(seat, { total, held, demand });
    seat.peak = Math.max(seat.peak, demand);
    seat.promised = Math.max(held, seen === seat.number ? seat.limit : seat.promised);
  }

  /** A worker has gone, and its connections with it. */
  leave(worker: number): void {
    for (const [key, seats] of this.#keys) {
      for (const [name, seat] of seats) {
        if (seat.worker !== worker) continue;
        seats.delete(name);
        this.#touched.add(key);
      }
    }
  }

  /** Time has passed: what was wanted for a moment may be wanted no more, and others wait for it. */
  lookAgain(): void {
    for (const key of this.#short) this.#touched.add(key);
  }

  /** What is to be told, by worker, of all that has been claimed. */
  settle(now: number): Map<number, Grant[]> {
    const told = new Map<number, Grant[]>();
    for (const key of this.#touched) {
      const seats = this.#keys.get(key) ?? new Map<string, Seat>();
      if (seats.size === 0) this.#keys.delete(key);
      for (const seat of this.#changed([...seats.values()], now)) {
        seat.number++;
        const grants = told.get(seat.worker) ?? [];
        told.set(seat.worker, grants);
        grants.push({ seat: seat.seat, limit: seat.limit, number: seat.number });
      }
      if ([...seats.values()].some(({ demand, limit }) => demand > limit)) this.#short.add(key);
      else this.#short.delete(key);
    }
    this.#touched.clear();
    return told;
  }

  #changed(seats: readonly Seat[], now: number): Seat[] {
    for (const seat of seats) forget(seat, now);
    const total = Math.max(0, ...seats.map((seat) => seat.total));
    const before = new Map(seats.map((seat) => [seat, seat.limit]));
    const promised = seats.reduce((sum, seat) => sum + seat.promised, 0);
    const short = seats.filter((seat) => seat.demand > seat.limit);
    if (short.length === 0 && promised <= total) return [];
    const shares = sharesOf(seats, total);
    const wanted = short.reduce((sum, seat) => sum + Math.max(0, Math.min(seat.demand, shares.get(seat)!) - seat.limit), 0);
    // What has been asked back comes back, and is not asked for again.
    const coming = seats.reduce((sum, seat) => sum + seat.promised - seat.limit, 0);
    let lack = wanted - (total - promised) - coming;
    for (const seat of [...seats].sort((a, b) => (b.limit - shares.get(b)!) - (a.limit - shares.get(a)!))) {
      const back = Math.min(lack, seat.limit - shares.get(seat)!);
      if (back <= 0) continue;
      seat.limit -= back;
      lack -= back;
    }
    this.#give(short, shares, total - promised);
    return seats.filter((seat) => seat.limit !== before.get(seat));
  }

  #give(short: readonly Seat[], shares: ReadonlyMap<Seat, number>, room: number): void {
    let left = room;
    for (const seat of [...short].sort((a, b) => (a.limit - shares.get(a)!) - (b.limit - shares.get(b)!))) {
      // Where others want something as well, nobody gets more than its share.
      const fair = short.length > 1 ? Math.max(seat.limit, shares.get(seat)!) : seat.demand;
      const limit = Math.min(seat.demand, fair, seat.promised + Math.max(0, left));
      if (limit <= seat.limit) continue;
      left -= Math.max(0, limit - seat.promised);
      seat.limit = limit;
      seat.promised = Math.max(seat.promised, limit);
      seat.servedAt = ++this.#turns;
    }
  }
}

function forget(seat: Seat, now: number): void {
  if (now - seat.peakSince < PEAK_MS) return;
  seat.peakBefore = now - seat.peakSince < 2 * PEAK_MS ? seat.peak : seat.demand;
  seat.peak = seat.demand;
  seat.peakSince = now;
}

/** Demands are met from the smallest up, each at most by an even part of what is left. Where there is not one for each they take turns. */
function sharesOf(seats: readonly Seat[], total: number): Map<Seat, number> {
  const shares = new Map(seats.map((seat) => [seat, 0]));
  const wanting = seats.filter((seat) => seat.demand > 0);
  if (wanting.length > total) {
    const inTurn = wanting.sort((a, b) => Number(a.promised > 0) - Number(b.promised > 0) || a.servedAt - b.servedAt);
    for (const seat of inTurn.slice(0, total)) shares.set(seat, 1);
    return shares;
  }
  const demandOf = ({ demand, peak, peakBefore }: Seat): number => Math.max(demand, peak, peakBefore);
  const lately = seats.filter((seat) => demandOf(seat) > 0).sort((a, b) => demandOf(a) - demandOf(b));
  // Nobody who wants something now has to wait for one who only did lately.
  const counted = lately.length > total ? wanting : lately;
  let left = total;
  let count = counted.length;
  for (const seat of counted) {
    const share = Math.min(demandOf(seat), Math.floor(left / count));
    shares.set(seat, share);
    left -= share;
    count--;
  }
  return shares;
}
